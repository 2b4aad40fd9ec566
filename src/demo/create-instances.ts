import { DomainError } from "../kit/index.ts";
import type { TopologyView } from "../contract/index.ts";
import { homeLayout } from "../domain/index.ts";
import type { DemoDomain } from "./build-domain.ts";
import { lastLine } from "./last-line.ts";
import type { DemoOptions } from "./options.ts";
import { until } from "./until.ts";

const services = ["orders", "payments"] as const;
/** An instance that was started in vain for so long does not run by itself any more. */
const failedMsMax = 10_000;

/**
 * Creates and starts the instances, two ports for each, and waits until all are seen on the wire.
 * Throws `not-running` with the reason that an instance gave.
 */
export async function createInstances(
  options: DemoOptions,
  call: DemoDomain["call"],
  upstreamPorts: readonly number[],
  ports: readonly number[],
  ending: AbortSignal,
): Promise<DemoDomain["gateways"]> {
  const gateways = [];
  for (let i = 0; i < options.instances; i++) {
    const service = services[i % services.length] ?? "orders";
    const dnsName = `${service}.demo.test`;
    const upstream = `http://127.0.0.1:${upstreamPorts[i % services.length]}`;
    const instance = await call("createInstance", {
      body: {
        name: `${service}-${Math.floor(i / services.length) + 1}`,
        group: service,
        hostId: `host-${(Math.floor(i / services.length) % options.hosts) + 1}` as never,
        managementPort: ports[2 * i] ?? 0,
        servicesPort: ports[2 * i + 1] ?? 0,
        configuration: {
          dnsNames: [dnsName],
          routes: [{ host: null, pathPrefix: "/", upstreams: [upstream], healthPath: "/" }],
        },
      },
    });
    await call("setInstanceEnabled", { params: { id: instance.id }, body: { enabled: true } });
    gateways.push({ id: instance.id, address: "127.0.0.1", port: instance.servicesPort, dnsName });
  }
  await untilAllRun(options, call, ending);
  return gateways;
}

async function untilAllRun(
  { home, instances }: DemoOptions,
  call: DemoDomain["call"],
  ending: AbortSignal,
): Promise<void> {
  const patientUntilMs = performance.now() + failedMsMax;
  const failure = await until(
    "every instance runs and presents its certificates",
    async () => {
      const { groups } = await call("getTopology");
      const all = groups.flatMap((group) =>
        group.instances.map((instance) => ({ ...instance, groupId: group.id })),
      );
      const failed = all.find(({ state }) => state === "failed");
      if (failed !== undefined && performance.now() > patientUntilMs)
        return failureOf(home, failed);
      const running = all.filter(({ state }) => state === "running").length;
      const { credentials } = await call("listCredentials");
      if (running < instances || credentials.some((credential) => !credential.onWire))
        throw new Error(`${running} of ${instances} instances run`);
      return null;
    },
    undefined,
    ending,
  );
  if (failure !== null) throw failure;
}

type ListedInstance = TopologyView["groups"][number]["instances"][number];

async function failureOf(
  home: string,
  {
    id,
    name,
    hostId,
    groupId,
    managementPort,
    servicesPort,
  }: ListedInstance & {
    groupId: TopologyView["groups"][number]["id"];
  },
): Promise<DomainError> {
  const { logs } = homeLayout(`${home}/${hostId}`).instance(groupId, id);
  const reason = await lastLine(`${logs}/gateway.log`);
  return new DomainError(
    "not-running",
    `instance ${name} on ${hostId} (ports ${managementPort} and ${servicesPort}) does not run: ${reason}`,
  );
}
