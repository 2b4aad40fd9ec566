import { connect } from "node:tls";
import { expect, test } from "vitest";
import type { AuthorityId } from "../../src/kit/index.ts";
import { LoadedTrust } from "../../src/transport/index.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Does a caller that knows nothing but these CAs accept the listener? */
function isAccepted(port: number, ca: string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, ca, servername: "service.test" }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

test("a caller that was forgotten in a rotation gets in again while the old CA is restored", async () => {
  const domain = await LiveDomain.start(1);
  const { port } = await domain.addInstance("host-1");
  const forgotten = LoadedTrust.restore(domain.trust).anchorsPem("traffic");
  const untilAccepted = (wanted: boolean): Promise<boolean> =>
    waitUntil(async () => (await isAccepted(port, forgotten)) === wanted, {
      deadlineMs: 30_000,
      what: `the caller is ${wanted ? "" : "not "}served`,
    });
  await untilAccepted(true);
  const { rollout } = await domain.follow(
    await domain.roll({ kind: "rotate-ca", usages: ["traffic"], observeSeconds: 0, subject: null }),
  );
  expect(rollout.status).toBe("completed");
  await untilAccepted(false);
  const params = { id: "traffic-1" as AuthorityId };
  await domain.call("restoreAuthority", { params });
  await untilAccepted(true);
  const { findings } = await domain.call("listFindings");
  expect(findings.map(({ code }) => code)).toContain("authority-restored");
  await domain.call("retireAuthority", { params });
  await untilAccepted(false);
});
