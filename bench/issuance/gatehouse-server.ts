import { homeLayout } from "../../src/domain/index.ts";
import { readCurrent } from "../../src/keys/index.ts";
import { freePort } from "../../test/support/free-port.ts";
import { startDomain, stopDomain, joinHost, type BenchDomain } from "../domain/bench-domain.ts";
import type { LoadConnection } from "./load-order.ts";
import type { IssuanceServer } from "./servers.ts";

const hosts = 8;
const instancesPerHost = 4;

/** One joined host: its identity and the credentials that it may ask certificates for. */
interface Host {
  readonly key: string;
  readonly cert: string;
  readonly credentials: readonly string[];
}

/**
 * A real Admin Node Manager with eight joined hosts of four instances each: 64 credentials. The
 * instances are not started; their certificates are asked for as their Node Managers do.
 */
export async function startGatehouse(
  folder: string,
  nodeOptions: readonly string[],
): Promise<IssuanceServer> {
  const domain = await startDomain(folder, nodeOptions);
  const joined: Host[] = [];
  for (let i = 0; i < hosts; i++) joined.push(await makeHost(domain, folder, i + 2));
  const ca = domain.trust.anchorsPem("management").join("");
  return {
    name: "Gatehouse, durable, mutual TLS",
    status: 201,
    pids: () => [domain.admin.pid],
    connection(client, requests): LoadConnection {
      const host = joined[client % hosts];
      if (host === undefined) throw new Error("invariant broken: there is a host");
      const { credentials, ...identity } = host;
      const first = Math.floor(client / hosts);
      return {
        ...identity,
        ca,
        port: domain.adminPort,
        path: "/api/v1/agent/certificates",
        bodies: requests.map((requestPem, i) =>
          JSON.stringify({
            credentialId: credentials[(first + i) % credentials.length],
            requestPem,
          }),
        ),
      };
    },
    stop: () => stopDomain(domain),
  };
}

async function makeHost(domain: BenchDomain, folder: string, number: number): Promise<Host> {
  const home = `${folder}/host-${number}`;
  const hostId = await joinHost(domain, {
    home,
    name: `host-${number}.bench`,
    port: await freePort(),
  });
  const credentials: string[] = [];
  for (let i = 0; i < instancesPerHost; i++) {
    const { id } = await domain.call("createInstance", {
      body: {
        name: `gateway-${number}-${i}`,
        group: "gateways",
        hostId: hostId as never,
        configuration: { dnsNames: ["gateway.bench.test"], routes: [] },
      },
    });
    credentials.push(`${id}/management`, `${id}/traffic`);
  }
  const generation = await readCurrent(homeLayout(home).nodeCredential);
  if (generation === null) throw new Error("invariant broken: a joined host has a certificate");
  return { key: generation.keyPem, cert: generation.certificatePem, credentials };
}
