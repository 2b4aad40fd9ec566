import { once } from "node:events";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { RolloutView } from "../contract/index.ts";
import { describeError, errorCodes, isDomainError } from "../kit/index.ts";
import { buildDomain, type DemoDomain } from "./build-domain.ts";
import { Children } from "./children.ts";
import { makeDemoFolder } from "./demo-folder.ts";
import { Display } from "./display.ts";
import type { LoadCounts } from "./load.ts";
import { readDemoOptions, type DemoOptions } from "./options.ts";
import { rollOut } from "./roll-out.ts";
import { stopDomain } from "./stop-domain.ts";
import { printSummary, type Summary } from "./summary.ts";

const observeSeconds = 3;
const interruptedStatus = 130;

async function demonstrate(
  options: DemoOptions,
  children: Children,
  display: Display,
  ending: AbortSignal,
): Promise<{ domain: DemoDomain; summary: Summary }> {
  const domain = await buildDomain(options, children, (text) => display.say(text), ending);
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
  const showProgress = (view: RolloutView): void => display.rollout(view);
  const allLeaves = { kind: "replace-leaves", credentials: null } as const;
  const leaves = await rollOut(domain, allLeaves, showProgress, ending);
  display.say("rotating the certificate authorities under load");
  const rotation = await rollOut(
    domain,
    { kind: "rotate-ca", usages: ["management", "traffic"], observeSeconds, subject: null },
    showProgress,
    ending,
  );
  const after = await currentAuthorities(domain);
  display.say(`load for at least ${options.seconds} seconds in all`);
  while (performance.now() - startedAtMs < options.seconds * 1000)
    await sleep(200, undefined, { signal: ending });
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
  return { domain, summary };
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

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Is aborted by the first signal to end, or when nobody reads what is written any more. Further
 * signals change nothing, so that what was begun to be stopped and removed is.
 */
function endingOf(display: Display): AbortSignal {
  const ending = new AbortController();
  let isImpatienceAnswered = false;
  const end = (): void => {
    if (!ending.signal.aborted) display.say("stopping everything");
    else if (!isImpatienceAnswered) {
      isImpatienceAnswered = true;
      display.say("stopping; it ends by itself, further signals change nothing");
    }
    ending.abort();
  };
  for (const signal of endingSignals) process.on(signal, end);
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => ending.abort());
  return ending.signal;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

async function run(argv: readonly string[]): Promise<number> {
  const children = new Children();
  const display = new Display(argv.includes("--json"));
  const ending = endingOf(display);
  const wish = readDemoOptions(argv);
  const home = await makeDemoFolder(wish.home);
  const options = { ...wish, home, isTemporaryHome: wish.home === null };
  try {
    const { domain, summary } = await demonstrate(options, children, display, ending);
    display.end();
    printSummary(summary, options, domain);
    if (!options.once) await aborted(ending);
    const { failedRequests, failedHandshakes, caRotated } = summary;
    return failedRequests === 0 && failedHandshakes === 0 && caRotated
      ? 0
      : errorCodes.internal.exit;
  } catch (error) {
    if (ending.aborted) return interruptedStatus;
    throw error;
  } finally {
    display.end();
    await stopDomain(options.home, children);
    if (options.isTemporaryHome && process.env["GATEHOUSE_DEMO_KEEP"] === undefined)
      await rm(options.home, { recursive: true, force: true });
  }
}

try {
  process.exit(await run(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exit(isDomainError(error) ? errorCodes[error.code].exit : errorCodes.internal.exit);
}
