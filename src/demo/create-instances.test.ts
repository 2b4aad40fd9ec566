import { mkdirSync, writeFileSync } from "node:fs";
import { expect, onTestFinished, test, vi } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import type { DemoDomain } from "./build-domain.ts";
import { createInstances } from "./create-instances.ts";

const instance = {
  name: "orders-1",
  hostId: "host-1",
  managementPort: 11_000,
  servicesPort: 11_001,
};

test("createInstances names instance, host, ports and reason when one stays failed", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const home = await tempFolder();
  mkdirSync(`${home}/host-1/groups/group-2/instance-1/logs`, { recursive: true });
  writeFileSync(
    `${home}/host-1/groups/group-2/instance-1/logs/gateway.log`,
    "gateway: another process listens on the management port 11000: stop it\n",
  );
  const call = async (name: string): Promise<unknown> => {
    if (name === "createInstance") return { id: "instance-1", servicesPort: 11_001 };
    vi.advanceTimersByTime(6_000);
    const instances = [{ ...instance, id: "instance-1", state: "failed" }];
    return name === "getTopology"
      ? { groups: [{ id: "group-2", instances }] }
      : { credentials: [] };
  };
  const options = { home, hosts: 1, instances: 1, seconds: 1, once: true, json: false };
  await expect(
    createInstances(
      { ...options, isTemporaryHome: true },
      call as DemoDomain["call"],
      [1, 2],
      [11_000, 11_001],
      new AbortController().signal,
    ),
  ).rejects.toMatchObject({
    code: "not-running",
    message:
      "instance orders-1 on host-1 (ports 11000 and 11001) does not run: " +
      "gateway: another process listens on the management port 11000: stop it",
  });
});
