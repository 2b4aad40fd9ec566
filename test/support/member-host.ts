import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AuthorityId, CredentialId, ProcessId, ServiceId } from "../../src/kit/index.ts";
import type { DesiredState, ObservedReport, WantedMember } from "../../src/contract/index.ts";
import {
  checkDescription,
  fingerprintOf,
  resolveDescription,
  type Description,
} from "../../src/drivers/index.ts";
import { driverDescription } from "./driver-description.ts";
import { generateKeyPair, privateKeyToPem } from "../../src/keys/index.ts";
import type { AdminLink } from "../../src/node/admin-link.ts";
import { convergeCredentials } from "../../src/node/credentials.ts";
import type { InstanceLinks } from "../../src/node/instance-link.ts";
import type { Instances } from "../../src/node/instances.ts";
import { Members } from "../../src/node/members/members.ts";
import { NodeState } from "../../src/node/node-state.ts";
import { proveEdges } from "../../src/node/proving.ts";
import { observeHost } from "../../src/node/report.ts";
import {
  encodePem,
  oid,
  parseNameText,
  parseRequestPem,
  trafficProfile,
} from "../../src/pki/index.ts";
import { serverKinds, type Paths } from "../integration/drivers/servers.ts";
import type { TestAuthority } from "./certificates.ts";
import { onEnd } from "./cleanup.ts";
import { freePort } from "./free-port.ts";
import { nodeFixture } from "./node-fixture.ts";
import { tempFolder } from "./temp-folder.ts";
import { waitUntil } from "./wait-until.ts";

const serviceId = "service-1" as ServiceId;
const memberId = "member-1" as ProcessId;
const credentialId = `${memberId}/${serviceId}` as CredentialId;

export const firstCa = "service-1-ca-1" as AuthorityId;
export const secondCa = "service-1-ca-2" as AuthorityId;

/** What may be said of the one member of a host, beside its server. */
export type Wish = Partial<Pick<WantedMember, "supervised" | "enabled" | "trusts" | "role">> & {
  readonly description?: Partial<Description>;
  /** Which authority is to have signed its certificate. */
  readonly authorityId?: AuthorityId;
  /** Authorities of which the host is to prove that its servers accept them. */
  readonly prove?: readonly AuthorityId[];
  /** Its certificate is to be another one than those before. */
  readonly minSequence?: number;
  /** 0 with `minSequence` 0: it keeps what was placed by hand. */
  readonly maxSequence?: number | null;
};

export interface MemberHost {
  readonly state: NodeState;
  readonly paths: Paths;
  readonly lines: readonly string[];
  /** Changes what is desired of the member; what is not named stays. */
  wish(wish: Wish | null): void;
  /** A Node Manager looks at its host once, as `reconcile` does, and reports. */
  look(): Promise<ObservedReport>;
  /** Looks until the report is so. */
  until(what: string, is: (seen: SeenMember) => boolean): Promise<SeenMember>;
  /** Forgets all that a Node Manager has in memory, as if it had been killed, and starts another. */
  restart(): void;
  /** A CA of its service, with its key. */
  authority(id: AuthorityId): TestAuthority;
  /** Starts the server as somebody else would. */
  startServer(): void;
  /** Places a new key and certificate of the first CA where the server's configuration has them, or elsewhere. */
  placeByHand(folder?: string): Promise<{ readonly leaf: string }>;
}

interface IssueBody {
  readonly requestPem: string;
  readonly authorityId?: AuthorityId;
}

export interface SeenMember {
  readonly process: ObservedReport["processes"][number];
  readonly credential: ObservedReport["credentials"][number];
  readonly member: NonNullable<ObservedReport["members"]>[number];
}

/** A Node Manager's home with one member, whose server is a real one; its Admin Node Manager signs all. */
export async function memberHost(
  driver: string,
  first: Wish = {},
  isByHand = false,
): Promise<MemberHost> {
  const { domain, state: firstState, lines } = await nodeFixture();
  await domain.addAuthority(firstCa, serviceId);
  await domain.addAuthority(secondCa, serviceId, firstCa);
  domain.publish({
    anchors: ["management-1", "traffic-1", firstCa, secondCa],
    crossed: [secondCa],
  });
  await firstState.acceptTrust([domain.trust.save().link]);
  await mkdir(firstState.layout.logs, { recursive: true });
  const paths = await pathsFor(driver, isByHand);
  const description = await descriptionFor(driver, isByHand ? paths.current : null);
  const { configuration, port } = paths;
  const folder = join(paths.base, "member");
  const variables = { ...kindOf(driver).values(paths), folder, port, configuration };
  let state = firstState;
  let members = new Members(state);
  let wished: Wish = { supervised: true, enabled: true, trusts: [firstCa], authorityId: firstCa };
  let issued = 0;

  const sign = (authorityId: AuthorityId, spki: Uint8Array) =>
    domain.sign(authorityId, spki, {
      profile: { ...trafficProfile, extendedKeyUsage: [oid.serverAuth, oid.clientAuth] },
      subject: parseNameText("CN=member-1"),
      subjectAltName: [{ type: "ip", value: "127.0.0.1" }],
    });

  const placeByHand = async (at = paths.current) => {
    const { privateKey, spki } = await generateKeyPair("ecdsa-p256");
    const { der } = sign(firstCa, spki);
    const files = {
      key: privateKeyToPem(privateKey),
      certificate: encodePem("CERTIFICATE", der),
      trust: domain.caPem(firstCa),
    };
    await mkdir(at, { recursive: true });
    for (const [name, text] of Object.entries(files))
      await writeFile(join(at, `${name}.pem`), text);
    return { leaf: fingerprintOf(der) };
  };

  const call = async (name: string, { body }: { body: IssueBody }) => {
    const { spki } = parseRequestPem(body.requestPem);
    const authorityId = body.authorityId ?? wished.authorityId ?? firstCa;
    const certificate = sign(authorityId, spki);
    if (name === "issueProbe")
      return { certificatePem: encodePem("CERTIFICATE", certificate.der), chainPem: "" };
    if (name !== "issueCredential") throw new Error(`${name} is not expected`);
    const { serialHex: serial, notBeforeMs, notAfterMs } = certificate;
    return {
      certificatePem: encodePem("CERTIFICATE", certificate.der),
      serial,
      authorityId,
      sequence: ++issued,
      notBeforeMs,
      notAfterMs,
      renewFromMs: notAfterMs,
      renewUntilMs: notAfterMs,
      hostDocument: domain.trust.save().host,
    };
  };
  const link = { call } as unknown as AdminLink;

  const wish: MemberHost["wish"] = (changes) => {
    wished = { ...wished, ...changes };
    const {
      authorityId = firstCa,
      minSequence = 1,
      maxSequence = null,
      prove = [],
      description: also,
      ...member
    } = wished;
    const wanted = {
      id: memberId,
      name: "one",
      serviceId,
      serviceName: "web",
      shape: "replicas",
      description: checkDescription({ ...description, ...also }, driver),
      variables,
      role: null,
      others: [],
      pair: null,
      ...member,
    };
    const credential = {
      id: credentialId,
      process: memberId,
      usage: serviceId,
      subject: "CN=member-1",
      authorityId,
      minSequence,
      maxSequence,
      presentableSequence: 1_000,
    };
    const isGone = changes === null;
    state.received = state.desired = {
      revision: (state.desired?.revision ?? 0) + 1,
      trust: [],
      instances: [],
      prove,
      credentials: isGone ? [] : [credential],
      members: isGone ? [] : [wanted],
    } as unknown as DesiredState;
  };

  const look: MemberHost["look"] = async () => {
    await state.installing(() => convergeCredentials(state, link, {} as Instances));
    await members.converge();
    const parts = { instances: {} as Instances, members };
    await proveEdges(state, link, {} as InstanceLinks, parts);
    const role = { oldestEpoch: null, observation: () => null } as never;
    return observeHost(state, {} as Instances, members, role);
  };

  const until: MemberHost["until"] = async (what, is) => {
    let last: SeenMember | null = null;
    const found = await waitUntil(
      async () => {
        last = seenIn(await look());
        return last !== null && is(last) && last;
      },
      { deadlineMs: 12_000, what },
    ).catch((cause: unknown) => {
      throw new Error(`${what}: ${JSON.stringify(last)}`, { cause });
    });
    return found as SeenMember;
  };

  const restart = (): void => {
    const { layout, settings, log, trust, desired } = state;
    state = new NodeState({ layout, settings, log, trust });
    state.desired = desired;
    members = new Members(state);
  };

  wish(first);
  onEnd(async () => {
    wish(null);
    await waitUntil(
      async () => (await look()) && !existsSync(state.layout.member(memberId).folder),
      {
        deadlineMs: 10_000,
        what: "the member has ended",
      },
    );
  });
  return {
    get state() {
      return state;
    },
    paths,
    lines,
    wish,
    look,
    until,
    placeByHand,
    authority: (id) => domain.authority(id),
    restart,
    startServer: () => {
      const { start } = resolveDescription(description, variables);
      startOutside(start?.run ?? [], paths.base);
    },
  };
}

function seenIn({ processes, credentials, members }: ObservedReport): SeenMember | null {
  const process = processes.find(({ id }) => id === memberId);
  const [credential] = credentials;
  const [member] = members ?? [];
  return process === undefined || credential === undefined || member === undefined
    ? null
    : { process, credential, member };
}

function kindOf(driver: string) {
  const kind = serverKinds.find((each) => each.driver === driver);
  if (kind === undefined) throw new Error(`there is no server ${driver}`);
  return kind;
}

/** `swapped`: the server reads its files in this folder, which is its own. */
async function descriptionFor(driver: string, swapped: string | null): Promise<Description> {
  const { start, ...shipped } = await driverDescription(driver);
  if (start === undefined) throw new Error(`${driver} is started by nobody`);
  const files = shipped.files.map((file) => ({ ...file, path: join(swapped ?? "", file.path) }));
  return {
    ...shipped,
    ...(swapped === null ? {} : { visible: "swap", files }),
    start: { ...start, openFilesMax: 256, stopWithinSeconds: 3 },
    servedWithinSeconds: 3,
    backWithinSeconds: 5,
  };
}

async function pathsFor(driver: string, isByHand: boolean): Promise<Paths> {
  const base = await tempFolder();
  await chmod(base, 0o755);
  const run = join(base, "run");
  await mkdir(run);
  await chmod(run, 0o777);
  const paths: Paths = {
    base,
    configuration: join(base, "configuration"),
    current: join(base, isByHand ? "hand" : "member/current"),
    pidFile: join(run, "pid"),
    port: await freePort(),
    otherPort: await freePort(),
  };
  await writeFile(paths.configuration, kindOf(driver).text(paths).replace("daemon off;", ""));
  return paths;
}

function startOutside([program = "", ...args]: readonly string[], cwd: string): void {
  const child = spawn(program, args, { stdio: "ignore", cwd });
  const ended = once(child, "exit");
  onEnd(async () => {
    child.kill("SIGTERM");
    await ended;
  });
}
