import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { DomainError } from "../kit/index.ts";
import {
  callApi,
  ApiCaller,
  apiPrefix,
  fetchClaimedAuthorities,
  fetchPinnedTrust,
  knownCaTls,
  LoadedTrust,
  normalizeFingerprint,
  type ServerAddress,
} from "../transport/index.ts";
import { defaultAdminPort, optionName, type ConnectionOptions } from "./connection-options.ts";
import {
  findKnownAuthority,
  knownAuthoritiesPath,
  rememberAuthority,
} from "./known-authorities.ts";
import { parsePort } from "./duration.ts";
import type { Props } from "./props.ts";
import type { Terminal } from "./terminal.ts";
import { readTextFile } from "./text-file.ts";

/** A domain whose trust was verified, and where its Admin Node Managers are. */
export interface VerifiedDomain {
  readonly trust: LoadedTrust;
  readonly servers: readonly ServerAddress[];
  /** True on a home that was restored: no published trust names the key of its Admin Node Manager yet. */
  readonly isRestored?: boolean;
}

/**
 * Finds out whom to call and how to know it: from the home's own trust document, a trust store
 * file, a fingerprint, what was confirmed before, or a person who compares fingerprints. Never
 * trusts blindly. Throws `untrusted-server`, `fingerprint-mismatch`, `unreachable`, `usage`.
 */
export async function findDomain(
  options: ConnectionOptions,
  props: Props,
  terminal: Terminal,
): Promise<VerifiedDomain> {
  const { openLocalHome } = await import("../node/local.ts");
  const { joined, layout } = await openLocalHome(options.home);
  const given = givenServer(options, props);
  const isExplicit = options.fingerprint !== undefined || options.truststoreFile !== undefined;
  if (joined !== null && !isExplicit) {
    const { settings, trust } = joined;
    const known = trust.document.admins.map(({ hostId, address, port }) => ({
      // Its own address may lead outside and back.
      address: hostId === settings.hostId ? "127.0.0.1" : address,
      port,
    }));
    if (existsSync(layout.restored))
      return { trust, servers: [{ address: "127.0.0.1", port: settings.port }], isRestored: true };
    return { trust, servers: options.anmHost !== undefined && given !== null ? [given] : known };
  }
  const [first] = joined?.trust.document.admins ?? [];
  const server = given ?? first;
  if (server === undefined)
    throw new DomainError(
      "usage",
      `no Admin Node Manager is named: give ${optionName(options, "anm", "host")}, or anm_host= in conf/managedomain.props, or use --home with the folder of a host of the domain`,
    );
  return { trust: await meetServer(server, options, props, terminal), servers: [server] };
}

/** The Admin Node Manager that options or the settings file name, or null. Throws `usage`. */
export function givenServer(options: ConnectionOptions, props: Props): ServerAddress | null {
  const address = options.anmHost ?? props.anm_host;
  if (address === undefined && options.anmPort !== undefined)
    throw new DomainError(
      "usage",
      `a port alone names no Admin Node Manager: give ${optionName(options, "anm", "host")} with it`,
    );
  if (address === undefined) return null;
  const fromProps =
    props.anm_port === undefined ? undefined : parsePort(props.anm_port, "anm_port");
  return { address, port: options.anmPort ?? fromProps ?? defaultAdminPort };
}

async function meetServer(
  server: ServerAddress,
  options: ConnectionOptions,
  props: Props,
  terminal: Terminal,
): Promise<LoadedTrust> {
  const truststore =
    options.truststoreFile ??
    (options.fingerprint === undefined ? props.truststore_file : undefined);
  if (truststore !== undefined)
    return (await trustUnder(server, await readTrustStore(truststore))).trust;
  const fingerprint = options.fingerprint ?? props.fingerprint;
  if (fingerprint !== undefined) {
    const ca = await claimedCa(server, normalizeFingerprint(fingerprint));
    return (await trustUnder(server, [ca])).trust;
  }
  const known = await findKnownAuthority(server);
  if (known !== null) return rememberedTrust(server, known.trustKeyId);
  return askPerson(server, options, terminal);
}

async function rememberedTrust(server: ServerAddress, trustKeyId: string): Promise<LoadedTrust> {
  try {
    return await fetchPinnedTrust(server, trustKeyId);
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== "untrusted-server") throw error;
    throw new DomainError(
      "fingerprint-mismatch",
      `${server.address}:${server.port} is not the domain that was confirmed before: find out why, and if it is right remove its line from ${knownAuthoritiesPath()}`,
      { cause: error },
    );
  }
}

/** The CA that a server claims with this fingerprint; the connection is then verified with it. */
async function claimedCa(server: ServerAddress, fingerprint: string): Promise<string> {
  const found = (await fetchClaimedAuthorities(server)).find(
    (claimed) => claimed.fingerprint === fingerprint,
  );
  if (found !== undefined) return found.certificatePem;
  throw new DomainError(
    "fingerprint-mismatch",
    `${server.address}:${server.port} has no CA with the fingerprint ${fingerprint}: compare it with what \`managedomain --initialize\` printed`,
  );
}

async function askPerson(
  server: ServerAddress,
  options: ConnectionOptions,
  terminal: Terminal,
): Promise<LoadedTrust> {
  const where = `${server.address}:${server.port}`;
  if (terminal.prompts === null)
    throw new DomainError(
      "untrusted-server",
      `${where} is not known here and nobody can be asked: give --fingerprint with what \`managedomain --initialize\` printed, or ${optionName(options, "truststore", "file")}`,
    );
  const claimed = await fetchClaimedAuthorities(server);
  terminal.err(
    `${where} is not known here. It claims the management CA with the SHA-256 fingerprint`,
  );
  for (const { fingerprint, certificatePem } of claimed)
    terminal.err(
      `  ${fingerprint}  (${new X509Certificate(certificatePem).subject.replaceAll("\n", ", ")})`,
    );
  terminal.err("Compare it with what `managedomain --initialize` printed on the first host.");
  if (!(await terminal.prompts.confirm("Is it the same?")))
    throw new DomainError("untrusted-server", `${where} was not confirmed: nothing was sent to it`);
  const { trust, trustKeyId } = await trustUnder(
    server,
    claimed.map((each) => each.certificatePem),
  );
  const [first] = claimed;
  if (first !== undefined)
    await rememberAuthority(server, { fingerprint: first.fingerprint, trustKeyId });
  return trust;
}

async function readTrustStore(path: string): Promise<string[]> {
  const text = await readTextFile(path, "the trust store file");
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (found !== null) return found;
  throw new DomainError(
    "invalid-input",
    `${path} holds no certificate in PEM form: convert a JKS or PKCS#12 trust store to PEM first`,
  );
}

/** Loads the trust of a domain over a connection that is verified with the given CAs. */
async function trustUnder(
  server: ServerAddress,
  caPem: readonly string[],
): Promise<{ trust: LoadedTrust; trustKeyId: string }> {
  const caller = new ApiCaller({ ...server, prefix: apiPrefix }, knownCaTls(caPem));
  try {
    const { links } = await callApi(caller, "getTrust", { query: { after: 0 } });
    const [first] = links;
    if (first === undefined)
      throw new DomainError(
        "untrusted-server",
        `${server.address}:${server.port} has no trust document`,
      );
    const trust = new LoadedTrust(first.keyId);
    trust.accept(links);
    return { trust, trustKeyId: first.keyId };
  } finally {
    caller.close();
  }
}
