import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { errorCodes } from "../../src/kit/index.ts";
import { freePort } from "../support/free-port.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { waitUntil } from "../support/wait-until.ts";

/** The domain of home `one`, with the instance `gw` of the group `edge` running on its host. */
async function domainWithInstance(): Promise<ProgramRuns> {
  const runs = await ProgramRuns.open();
  await runs.startDomain();
  const ports = `-m ${await freePort()} -s ${await freePort()}`;
  await runs.done(`managedomain -c -n gw -g edge --home one ${ports}`);
  await runs.done("gatehouse instance start gw --home one");
  return runs;
}

test("groups, relying parties, approvals and revocations are changed when a command says so", async () => {
  const runs = await domainWithInstance();
  const of = (line: string): string => `gatehouse ${line} --home one`;

  const route = {
    host: null,
    pathPrefix: "/",
    upstreams: ["http://127.0.0.1:1"],
    healthPath: null,
  };
  await runs.write("edge.json", JSON.stringify({ routes: [route], dnsNames: ["edge.test"] }));
  expect(await runs.done(of("group configure edge -f edge.json"))).toBe(
    "Group edge [group-2] serves what edge.json says.\n",
  );
  await runs.write(
    "other.json",
    JSON.stringify({ routes: [{ ...route, upstreams: ["ftp://x"] }] }),
  );
  await runs.refused("invalid-input", of("group configure edge -f other.json"));
  await runs.write("text.json", "routes: []");
  await runs.refused("invalid-input", of("group configure edge -f text.json"));
  await runs.refused("not-found", of("group configure edge -f missing.json"));
  await runs.refused("not-found", of("group configure nowhere -f edge.json"));

  expect(await runs.done(of("relying-party create mesh"))).toMatch(/^\S+\n$/);
  await runs.refused("already-exists", of("relying-party create mesh"));
  expect(await runs.done(of("relying-party list"))).toMatch(/^relying-party-\d+ +mesh +unknown$/m);
  expect(await runs.done(of("relying-party delete mesh"))).toMatch(
    /^Relying party mesh \[.*\] is removed\.\n$/,
  );
  await runs.refused("not-found", of("relying-party delete mesh"));

  const taken = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  onTestFinished(() => void taken.close());
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  await runs.done(`managedomain -c -n late -g edge --home one -m ${port} -s ${await freePort()}`);
  const late = await runs.run(of("instance start late"));
  expect(late.err).toMatch(
    new RegExp(`^gatehouse: instance late .* another process listens .* ${port}: [^\\n]+\\n$`),
  );
  expect(late.status).toBe(errorCodes["not-running"].exit);

  await runs.refused("conflict", of("host approve anm1.test"));
  await runs.refused("not-found", of("host approve nobody.test"));

  const tree = await runs.done("managedomain -p --home one");
  const [, gatewayPort = ""] = /gw \[instance-1\] \(https:\/\/127.0.0.1:(\d+)\)/.exec(tree) ?? [];
  await runs.refused(
    "untrusted-server",
    `managedomain -p --home one --anm_host 127.0.0.1 --anm_port ${gatewayPort}`,
  );

  await runs.refused("usage", of("revoke --reason lost"));
  await runs.refused("not-found", of("revoke instance-9 --reason lost"));
  expect(await runs.done(of("revoke instance-1 --reason lost"))).toMatch(
    /^\d+ entries.* denied from trust epoch \d+ on; /,
  );
  const found = await runs.done(of("findings"));
  expect(found).toMatch(/^SEVERITY +CODE +SUBJECT +TEXT$/m);
  expect(found).toMatch(/^warning +one-admin +domain +the domain has one /m);
  expect(await runs.done(of("audit verify"))).toMatch(/every link verifies: .* audit records?, /);
  expect(await runs.done(of("audit list --limit 1000"))).toContain("lost");
});

test("a rotation is listed, paused, resumed and rolled back when a command says so", async () => {
  const runs = await domainWithInstance();
  const of = (line: string): string => `gatehouse ${line} --home one`;
  await runs.refused("not-found", of("rollout show"));
  await runs.done(of("plan rotate-ca --start --observe 600"));
  const [, id = ""] =
    /^Rollout (\S+) is paused\.\n$/.exec(await runs.done(of("rollout pause"))) ?? [];
  expect(await runs.done(of("rollout list"))).toMatch(new RegExp(`^${id} +paused `, "m"));
  const shown = await runs.done(of("rollout show"));
  expect(shown).toContain(`Rollout ${id}: Rotate the management CA\nStatus:   paused`);
  expect(shown).toMatch(/^ {2}[>x] prepare /m);
  await runs.refused("rollout-active", of("plan rotate-ca --start"));
  expect(await runs.done(of("rollout resume"))).toBe(`Rollout ${id} is running.\n`);
  expect(await runs.done(of(`rollout rollback ${id}`))).toContain(`Rollout ${id} is `);
  const isBack = async (): Promise<boolean> =>
    new RegExp(`^${id} +rolled-back `, "m").test(await runs.done(of("rollout list")));
  await waitUntil(isBack, { deadlineMs: 60_000, what: "the rollout is rolled back" });
  const watched = await runs.run(of(`rollout watch ${id}`));
  expect(watched.err).toContain(`gatehouse: rollout ${id} was rolled back: `);
  expect(watched.status).toBe(errorCodes.conflict.exit);
  await runs.refused("not-found", of("rollout show rollout-9"));
  expect(await runs.done(of("authorities"))).toMatch(/ abandoned /);
});
