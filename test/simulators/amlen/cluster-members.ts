import type { Endpoint } from "./change-configuration.ts";
import type { MemberChannel } from "./member-channel.ts";

/** Another server of the cluster, as it is remembered over restarts; a pair is one. */
export interface KnownMember {
  readonly uid: string;
  readonly name: string;
  readonly control: Endpoint;
  /** `tls` as that server says of itself: what its port speaks is another matter. */
  readonly messaging: Endpoint & { readonly tls: boolean };
}

/** A known member with the connections that there are to it. */
export class ClusterMember {
  known: KnownMember;
  /** Each side may have made one. */
  readonly controls = new Set<MemberChannel>();
  forwarding: MemberChannel | undefined;
  /** When it was last connected or lost, in milliseconds since 1970. */
  statusMs: number;

  constructor(known: KnownMember, nowMs: number) {
    this.known = known;
    this.statusMs = nowMs;
  }

  get status(): "Active" | "Connecting" | "Inactive" {
    if (this.controls.size === 0) return "Inactive";
    return this.forwarding === undefined ? "Connecting" : "Active";
  }

  close(): void {
    for (const control of this.controls) control.close();
    this.forwarding?.close();
  }
}
