import { describe, expect, test } from "vitest";
import type { ServiceId } from "../../src/kit/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import {
  loadOn,
  serverKinds,
  serverService,
  type ServerService,
} from "../support/server-services.ts";
import { waitUntil } from "../support/wait-until.ts";

async function applied(domain: LiveDomain, service: ServerService): Promise<ServiceId> {
  const { services } = await domain.call("applyServices", {
    body: { services: [service.declared] },
  });
  const [made] = services;
  if (made === undefined) throw new Error("one service was applied");
  await untilWell(domain, made.name);
  return made.id;
}

/** Waits until every member of a service is as desired, and says what is not. */
async function untilWell(domain: LiveDomain, name: string): Promise<void> {
  let last = "";
  await waitUntil(
    async () => {
      const { members } = await domain.call("getService", { params: { service: name } });
      const { findings } = await domain.call("listFindings");
      last = JSON.stringify([members, findings]);
      return (
        members.every(({ state, observed }) => state === "running" && observed?.problem === null) &&
        !findings.some(({ code }) => code.startsWith("member-"))
      );
    },
    { deadlineMs: 60_000, what: `service ${name} is well` },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${last}`);
  });
}

describe("the CA of a service of real servers, replaced under load by one command", () => {
  test.each(Object.entries(serverKinds))(
    "%s",
    async (_name, kind) => {
      const domain = await LiveDomain.start(1);
      const service = await serverService(kind);
      const id = await applied(domain, service);
      const load = loadOn(service);
      await waitUntil(() => load.operations() > 50, { deadlineMs: 30_000, what: "clients work" });
      const rollout = await domain.roll({
        kind: "rotate-ca",
        usages: [id],
        observeSeconds: 0,
        subject: null,
      });
      await domain.follow(rollout);
      const { failures, ...result } = await load.stop();
      console.log(kind.driver, JSON.stringify(result), failures.slice(0, 5));
      expect(result.lostWrites).toBe(0);
    },
    300_000,
  );
});
