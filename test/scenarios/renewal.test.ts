import { expect, onTestFinished, test } from "vitest";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Leaves that live for 36 seconds: renewed after twelve, in slots of three. */
const policy = { leafLifetimeSeconds: 36 };

test("every leaf renews itself in its slot, is seen on the wire, and no request fails", async () => {
  process.env["GATEHOUSE_POLICY"] = JSON.stringify(policy);
  onTestFinished(() => {
    delete process.env["GATEHOUSE_POLICY"];
  });
  const domain = await LiveDomain.start(2);
  const instance = await domain.addInstance("host-2");
  const load = await LiveLoad.start(domain, [instance.port]);
  const first = new Map(
    (await domain.call("listCredentials")).credentials.map((credential) => [
      credential.id,
      credential,
    ]),
  );
  expect(first.size).toBe(4);
  await waitUntil(
    async () => {
      const { credentials } = await domain.call("listCredentials");
      return credentials.every(
        (credential) =>
          credential.onWire &&
          (credential.installedSequence ?? 0) >=
            (first.get(credential.id)?.installedSequence ?? 0) + 2,
      );
    },
    { deadlineMs: 100_000, what: "every credential was renewed twice" },
  );
  await load.stop();
  expect(load.at(instance.port).failures).toEqual([]);
  const { issuances } = await domain.call("listIssuances", {
    query: { limit: 1000 },
  } as never);
  const leaves = issuances.filter(
    (issuance) => issuance.kind === "leaf" && issuance.credentialId === `${instance.id}/traffic`,
  );
  const gaps = leaves
    .slice(1)
    .map((leaf, i) => (leaf.issuedAtMs - (leaves[i]?.issuedAtMs ?? 0)) / 1000);
  // Not before a third of the life, and at least half of it left when it was replaced.
  for (const gap of gaps) {
    expect(gap).toBeGreaterThanOrEqual(11);
    expect(gap).toBeLessThan(25);
  }
});
