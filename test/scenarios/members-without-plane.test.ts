import { expect, test } from "vitest";
import { servedFingerprint } from "../../src/drivers/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { serverKinds, serverService } from "../support/server-services.ts";
import { waitUntil } from "../support/wait-until.ts";

const deadlineMs = 30_000;
const host = "host-2";

test("members outlive their Node Manager, and come up again without an Admin Node Manager, after a cold boot too", async () => {
  const { declared, targets } = await serverService(serverKinds.nginx);
  const domain = await LiveDomain.start(1);
  await domain.join(host);
  const members = declared.members.map((member) => ({ ...member, host }));
  await domain.call("applyServices", { body: { services: [{ ...declared, members }] } });
  const shown = () => Promise.all(targets.map((target) => servedFingerprint(target)));
  const shownBy = (when: string) =>
    waitUntil(shown, { deadlineMs, what: `both members serve ${when}` });
  const first = await shownBy("for the first time");
  const runFiles = () => domain.runFiles(host).filter((file) => file.startsWith("members/"));
  const processes = () => Promise.all(runFiles().map((file) => domain.processOf(host, file)));
  const before = await processes();
  expect(before).toHaveLength(2);

  await domain.cutPower("host-1");
  const node = await domain.processOf(host, "run/node.json");
  await domain.kill(host, "run/node.json");
  await domain.stopNode(host);
  await domain.startNode(host);
  await waitUntil(
    async () => {
      const now = await domain.processOf(host, "run/node.json");
      return now !== null && now.pid !== node?.pid;
    },
    { deadlineMs, what: "another Node Manager runs" },
  );
  const [killed = "", other = ""] = runFiles();
  const kept = await domain.processOf(host, other);
  await domain.kill(host, killed);
  await waitUntil(() => domain.processOf(host, killed), { deadlineMs, what: "it runs again" });
  expect(await shownBy("after a kill")).toEqual(first);
  expect(await domain.processOf(host, other)).toEqual(kept);
  expect(before).toContainEqual(kept);

  await domain.cutPower(host);
  await expect(shown()).rejects.toMatchObject({ code: "unreachable" });
  await domain.startNode(host);
  expect(await shownBy("after a cold boot")).toEqual(first);
});
