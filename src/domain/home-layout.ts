import type { AuthorityId, GroupId, ProcessId } from "../kit/index.ts";
import type { AuthorityUsage } from "./authority.ts";
import type { Dial } from "./topology.ts";

/** Where everything of a host is, below its home folder; the documented names where there are some. */
export interface HomeLayout {
  readonly home: string;
  /** What the host is in its domain: `NodeSettings` as JSON. */
  readonly nodeSettings: string;
  readonly trust: string;
  /** Credential folder of the Node Manager. */
  readonly nodeCredential: string;
  /** What passphrases of groups are sealed for. */
  readonly nodeSealingKey: string;
  /** Those passphrases, sealed, for a start without an Admin Node Manager. */
  readonly groupPassphrases: string;
  /** Where the passphrase of the Node Manager's keys comes from: `EntityStoreSettings` as JSON. */
  readonly entityStore: string;
  /** What was issued on this host while no Admin Node Manager could be asked: `LocalIssuance` as JSON, a line each. */
  readonly issuanceJournal: string;
  readonly managedomainProps: string;
  readonly topologyJson: string;
  readonly domainCertificate: string;
  readonly certificateIndex: string;
  readonly certificateSerial: string;
  /** How far `certificateIndex` was written. */
  readonly certificateIndexState: string;
  /** Where `openssl ca` puts what it signs. */
  readonly newCertificates: string;
  /** The domain CA's key with its certificate, and its key alone, as documented. */
  readonly domainContainer: string;
  readonly domainKey: string;
  readonly opensslConfig: string;
  readonly authorityKeys: string;
  /** Keys and requests of certificates that are being signed elsewhere, a folder for each process. */
  readonly temporaryKeys: string;
  readonly trustKey: string;
  /** What keys are sealed for that are shared with this Admin Node Manager. */
  readonly sealingKey: string;
  readonly store: string;
  /** Where the domain's database is, and how to log in there: `DatabaseSettings` as JSON. */
  readonly databaseSettings: string;
  /** How the token with the keys of the CAs is reached: `TokenSettings` as JSON; absent: they are files. */
  readonly tokenSettings: string;
  /** What is remembered of it; while it is there, the database and not the folder is the store. */
  readonly databaseIdentity: string;
  /** There while a home that was restored from a backup has not published its new identity. */
  readonly restored: string;
  readonly run: string;
  readonly logs: string;
  /** Newest desired state, for a start without an Admin Node Manager. */
  readonly desiredState: string;
  authorityKey(id: AuthorityId): string;
  /** In its place where the key is in a token: `KeyInToken` as JSON. */
  authorityKeyInToken(id: AuthorityId): string;
  instance(group: GroupId, id: ProcessId): InstanceLayout;
  member(id: ProcessId): MemberLayout;
}

export interface InstanceLayout {
  readonly folder: string;
  readonly settings: string;
  readonly trust: string;
  readonly runFile: string;
  readonly logs: string;
  /** The documented folder of its keys: a link to where they are. */
  readonly documentedCredentials: string;
  credential(usage: AuthorityUsage): string;
}

/** What a Node Manager keeps of a member; the server's own files are where its driver says. */
export interface MemberLayout {
  readonly folder: string;
  /** Its keys and certificates, whatever the form is in which its server wants them. */
  readonly credential: string;
  /** The key and certificate that were placed by hand, as a credential folder. */
  readonly found: string;
  /** Of which credential and which CAs its generations consist: JSON. */
  readonly generations: string;
  readonly runFile: string;
  readonly log: string;
}

/** The layout of a home folder, given without a slash at the end. */
export function homeLayout(home: string): HomeLayout {
  const certs = `${home}/groups/certs`;
  return {
    home,
    nodeSettings: `${home}/conf/node.json`,
    trust: `${home}/conf/trust.json`,
    nodeCredential: `${home}/conf/fed/credential`,
    nodeSealingKey: `${home}/conf/fed/sealing.key.pem`,
    groupPassphrases: `${home}/conf/fed/group-passphrases.json`,
    entityStore: `${home}/conf/entity-store.json`,
    issuanceJournal: `${home}/conf/fed/issuances.jsonl`,
    managedomainProps: `${home}/conf/managedomain.props`,
    topologyJson: `${home}/groups/topology.json`,
    domainCertificate: `${certs}/domaincert.pem`,
    certificateIndex: `${certs}/index.txt`,
    certificateSerial: `${certs}/serial`,
    certificateIndexState: `${certs}/index.txt.state`,
    newCertificates: `${certs}/newcerts`,
    domainContainer: `${certs}/private/domain.p12`,
    domainKey: `${certs}/private/domainkey.pem`,
    opensslConfig: `${home}/skel/openssl.cnf`,
    authorityKeys: `${certs}/private`,
    temporaryKeys: `${certs}/private/temp`,
    trustKey: `${certs}/private/trust-signing.key.pem`,
    sealingKey: `${certs}/private/sealing.key.pem`,
    store: `${home}/store`,
    databaseSettings: `${home}/conf/database.json`,
    tokenSettings: `${home}/conf/token.json`,
    databaseIdentity: `${home}/store/database-identity.json`,
    restored: `${home}/conf/restored.json`,
    run: `${home}/run`,
    logs: `${home}/logs`,
    desiredState: `${home}/conf/desired-state.json`,
    authorityKeyInToken: (id) => `${certs}/private/${id}.token.json`,
    authorityKey: (id) => `${certs}/private/${id}.key.pem`,
    member: (id) => {
      const folder = `${home}/members/${id}`;
      return {
        folder,
        credential: `${folder}/credential`,
        found: `${folder}/found`,
        generations: `${folder}/generations.json`,
        runFile: `${folder}/run.json`,
        log: `${home}/logs/${id}.log`,
      };
    },
    instance: (group, id) => instanceLayout(`${home}/groups/${group}/${id}`),
  };
}

/** The layout of an instance's own folder. */
export function instanceLayout(folder: string): InstanceLayout {
  return {
    folder,
    settings: `${folder}/conf/instance.json`,
    trust: `${folder}/conf/trust.json`,
    runFile: `${folder}/run/instance.json`,
    logs: `${folder}/logs`,
    documentedCredentials: `${folder}/conf/credentials`,
    credential: (usage) => `${folder}/credentials/${usage}`,
  };
}

/** What a host knows of itself from the day it joined. */
export interface NodeSettings {
  readonly domain: string;
  readonly hostId: string;
  readonly nodeManagerId: string;
  readonly name: string;
  readonly port: number;
  readonly isAdmin: boolean;
  /** The key that signs the first trust document, hex SHA-256 of its SPKI. */
  readonly trustKeyId: string;
  /** Where the Admin Node Manager was at the time of joining; the trust document is newer. */
  readonly adminAddress: string;
  readonly adminPort: number;
  /** Who opens the connections to Admin Node Managers; absent: the host. It follows the topology. */
  readonly dial?: Dial;
}
