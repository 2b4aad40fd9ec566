import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { ProcessId } from "../../src/kit/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { waitUntil } from "../support/wait-until.ts";

const runFileOf = (id: ProcessId): string => `groups/group-2/${id}/run/instance.json`;

test("a revoked instance gets new keys and loads them without a restart", async () => {
  const domain = await LiveDomain.start(2);
  const { id, port } = await domain.addInstance("host-2");
  const load = await LiveLoad.start(domain, [port]);
  const before = await domain.processOf("host-2", runFileOf(id));
  const serialsOf = async (): Promise<string[]> =>
    (await domain.call("listCredentials")).credentials
      .filter((credential) => credential.id.startsWith(`${id}/`) && credential.onWire)
      .map((credential) => credential.installedSerial ?? "");
  const old = await serialsOf();
  expect(old).toHaveLength(2);
  await domain.call("revoke", { body: { process: id, reason: "stolen" } });
  await waitUntil(
    async () => {
      const serials = await serialsOf();
      return serials.length === 2 && serials.every((serial) => !old.includes(serial));
    },
    { deadlineMs: 40_000, what: "both new certificates are seen on the wire" },
  );
  const failed = load.at(port).failures.length;
  const asked = load.at(port).requests;
  await waitUntil(() => load.at(port).requests > asked + 100, {
    deadlineMs: 20_000,
    what: "a hundred requests more",
  });
  await load.stop();
  expect(load.at(port).failures.slice(failed)).toEqual([]);
  expect(await domain.processOf("host-2", runFileOf(id))).toEqual(before);
});

test("an instance that lives and does not answer any more is restarted", async () => {
  process.env["GATEHOUSE_SILENCE_SECONDS"] = "6";
  onTestFinished(() => {
    delete process.env["GATEHOUSE_SILENCE_SECONDS"];
  });
  const domain = await LiveDomain.start(1);
  const { id } = await domain.addInstance("host-1");
  const hung = await domain.processOf("host-1", runFileOf(id));
  process.kill(hung?.pid ?? 0, "SIGSTOP");
  await waitUntil(
    async () => {
      const now = await domain.processOf("host-1", runFileOf(id));
      return now !== null && now.pid !== hung?.pid;
    },
    { deadlineMs: 90_000, what: "another process of the instance runs" },
  );
});

test("an instance whose port is taken has failed, with the reason that it gave itself", async () => {
  const domain = await LiveDomain.start(1);
  const { id, port } = await domain.addInstance("host-1");
  const enable = (enabled: boolean): Promise<unknown> =>
    domain.call("setInstanceEnabled", { params: { id }, body: { enabled } });
  await enable(false);
  await waitUntil(async () => (await domain.processOf("host-1", runFileOf(id))) === null, {
    deadlineMs: 30_000,
    what: "the instance has ended",
  });
  const squatter = createServer().listen(port);
  await once(squatter, "listening");
  onTestFinished(() => void squatter.close());
  await enable(true);
  const finding = await waitUntil(
    async () =>
      (await domain.call("listFindings")).findings.find(
        ({ subject, text }) => subject === id && text.includes("services port"),
      ),
    { deadlineMs: 30_000, what: "the finding says why" },
  );
  expect(finding?.text).toContain(`another process listens on the services port ${port}`);
  await new Promise((resolve) => squatter.close(resolve));
  await waitUntil(async () => (await domain.processOf("host-1", runFileOf(id))) !== null, {
    deadlineMs: 60_000,
    what: "the instance runs once the port is free",
  });
});
