import type { MemberChannel, MemberMessage } from "./member-channel.ts";
import type { Timers } from "./scaled-time.ts";

/** Which of the two connections of a pair: each is over its own network. */
export type LinkName = "discovery" | "replication";

/** Heartbeats that may be missing, one after the other, before a link counts as dead. */
const heartbeatsPerTimeout = 20;

/** Real time between heartbeats, at least: more of them would cost more than they show. */
const heartbeatMsMin = 10;

export interface PairLinksEvents {
  readonly onMessage: (message: MemberMessage) => void;
  /** One link is dead while the other lives. */
  readonly onOneLost: (living: MemberChannel) => void;
  readonly onAllLost: () => void;
}

/** The heartbeats of a pair over both links: a link is dead when it was closed or was silent too long. */
export class PairLinks {
  readonly #links = new Map<LinkName, { channel: MemberChannel; missed: number }>();
  readonly #events: PairLinksEvents;
  readonly #stopBeating: () => void;
  #ended = false;

  /** `heartbeatTimeout` in seconds: the smaller one of both members'. */
  constructor(timers: Timers, heartbeatTimeout: number, events: PairLinksEvents) {
    this.#events = events;
    const interval = heartbeatTimeout / heartbeatsPerTimeout;
    this.#stopBeating = timers.every(interval, heartbeatMsMin, () => this.#beat());
  }

  add(name: LinkName, channel: MemberChannel): void {
    const link = { channel, missed: 0 };
    this.#links.set(name, link);
    channel.onMessage = (message) => {
      link.missed = 0;
      if (message.type !== "heartbeat") this.#events.onMessage(message);
    };
    channel.onClose = () => this.#lost(name);
  }

  has(name: LinkName): boolean {
    return this.#links.has(name);
  }

  send(message: MemberMessage): void {
    const [link] = this.#links.values();
    link?.channel.send(message);
  }

  /** Closes both without an event. */
  end(): void {
    this.#ended = true;
    this.#stopBeating();
    for (const { channel } of this.#links.values()) channel.close();
  }

  #beat(): void {
    for (const link of this.#links.values()) {
      link.missed += 1;
      link.channel.send({ type: "heartbeat" });
      if (link.missed > heartbeatsPerTimeout) link.channel.close();
    }
  }

  #lost(name: LinkName): void {
    if (this.#ended) return;
    this.#links.delete(name);
    const [living] = this.#links.values();
    if (living !== undefined) return this.#events.onOneLost(living.channel);
    this.end();
    this.#events.onAllLost();
  }
}
