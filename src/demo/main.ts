import { rm } from "node:fs/promises";
import { describeError, errorCodes, isDomainError } from "../kit/index.ts";
import { buildDomain, type DemoDomain } from "./build-domain.ts";
import { Children } from "./children.ts";
import { Display } from "./display.ts";
import type { LoadCounts } from "./load.ts";
import { readDemoOptions, type DemoOptions } from "./options.ts";
import { rollOut } from "./roll-out.ts";
import { stopDomain } from "./stop-domain.ts";
import { printSummary, type Summary } from "./summary.ts";

const observeSeconds = 3;

async function demonstrate(
  options: DemoOptions,
  children: Children,
  display: Display,
): Promise<{ domain: DemoDomain; summary: Summary; stopLoad: () => Promise<void> }> {
  const domain = await buildDomain(options, children, (text) => display.say(text));
  const { token } = await domain.call("createRelyingParty", { body: { name: "load generator" } });
  let counts: LoadCounts = {
    requests: 0,
    failedRequests: 0,
    handshakes: 0,
    failedHandshakes: 0,
    lastFailure: null,
    epoch: 0,
  };
  const load = children.startLoad(
    { server: domain.admin, token, trust: domain.trust, gateways: domain.gateways },
    (now) => {
      counts = now;
      display.counts(now);
    },
  );
  const startedAtMs = performance.now();
  const before = await currentAuthorities(domain);
  display.say("replacing every leaf certificate under load");
  const leaves = await rollOut(domain, { kind: "replace-leaves", credentials: null }, (view) =>
    display.rollout(view),
  );
  display.say("rotating the certificate authorities under load");
  const rotation = await rollOut(
    domain,
    { kind: "rotate-ca", usages: ["management", "traffic"], observeSeconds, subject: null },
    (view) => display.rollout(view),
  );
  const after = await currentAuthorities(domain);
  display.say(`load for at least ${options.seconds} seconds in all`);
  while (performance.now() - startedAtMs < options.seconds * 1000)
    await new Promise((resolve) => setTimeout(resolve, 200));
  if (options.once) await load.stop();
  const summary: Summary = {
    requests: counts.requests,
    failedRequests: counts.failedRequests,
    handshakes: counts.handshakes,
    failedHandshakes: counts.failedHandshakes,
    lastFailure: counts.lastFailure,
    leafCertificatesReplaced: leaves.replaced + rotation.replaced,
    caRotated: before.traffic !== after.traffic && before.management !== after.management,
    oldCaFingerprint: before.traffic,
    newCaFingerprint: after.traffic,
    oldManagementCaFingerprint: before.management,
    newManagementCaFingerprint: after.management,
    gatewayUrls: domain.gateways.map((gateway) => `https://${gateway.address}:${gateway.port}/`),
    phases: [...leaves.phases, ...rotation.phases],
  };
  return { domain, summary, stopLoad: () => load.stop() };
}

async function currentAuthorities(
  domain: DemoDomain,
): Promise<Record<"management" | "traffic", string>> {
  const { authorities } = await domain.call("listAuthorities");
  const current = (usage: string): string =>
    authorities.find((authority) => authority.usage === usage && authority.status === "current")
      ?.fingerprint ?? "";
  return { management: current("management"), traffic: current("traffic") };
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
}

async function run(options: DemoOptions): Promise<number> {
  const children = new Children();
  const display = new Display(options.json);
  const interrupted = untilSignal().then(() => "interrupted" as const);
  try {
    const result = await Promise.race([demonstrate(options, children, display), interrupted]);
    if (result === "interrupted") return 130;
    display.end();
    printSummary(result.summary, options, result.domain);
    if (!options.once) await interrupted;
    const { failedRequests, failedHandshakes, caRotated } = result.summary;
    return failedRequests === 0 && failedHandshakes === 0 && caRotated
      ? 0
      : errorCodes.internal.exit;
  } finally {
    display.end();
    await stopDomain(options, children);
    if (options.isTemporaryHome && process.env["GATEHOUSE_DEMO_KEEP"] === undefined)
      await rm(options.home, { recursive: true, force: true });
  }
}

try {
  process.exit(await run(readDemoOptions(process.argv.slice(2))));
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exit(isDomainError(error) ? errorCodes[error.code].exit : errorCodes.internal.exit);
}
