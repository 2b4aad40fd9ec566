import { expect, test } from "vitest";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { waitUntil } from "../support/wait-until.ts";

test("a name that is added to a group is served at once, and no request by another fails", async () => {
  const domain = await LiveDomain.start(2);
  const instances = [await domain.addInstance("host-1"), await domain.addInstance("host-2")];
  const ports = instances.map(({ port }) => port);
  const load = await LiveLoad.start(domain, ports);
  const [group] = (await domain.call("getTopology")).groups;
  if (group === undefined) throw new Error("the instances have a group");
  const dnsNames = ["other.test", ...group.configuration.dnsNames];
  const body = { ...group.configuration, dnsNames };
  await domain.call("configureGroup", { params: { id: group.id }, body });
  await waitUntil(
    async () => {
      const { credentials } = await domain.call("listCredentials");
      const traffic = credentials.filter(({ usage }) => usage === "traffic");
      return traffic.every(({ installedSequence, onWire }) => installedSequence === 2 && onWire);
    },
    { deadlineMs: 30_000, what: "every listener shows its new certificate" },
  );
  const byTheOther = await LiveLoad.start(domain, ports, "other.test", "by the other name");
  await waitUntil(() => ports.every((port) => byTheOther.at(port).requests > 20), {
    deadlineMs: 30_000,
    what: "the listeners are called by their new name",
  });
  await Promise.all([load.stop(), byTheOther.stop()]);
  for (const port of ports)
    expect([load.at(port).failures, byTheOther.at(port).failures]).toEqual([[], []]);
});
