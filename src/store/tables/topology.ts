import {
  DomainError,
  type GroupId,
  type HostId,
  type ProcessId,
  type RelyingPartyId,
  type ServiceId,
} from "../../kit/index.ts";
import type {
  Domain,
  Group,
  Host,
  Instance,
  Member,
  RelyingParty,
  Service,
  Topology,
} from "../../domain/index.ts";
import type { TopologyReader, TopologyWriter } from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import { statement, type Query } from "../statement.ts";
import { documentStatements, parseDocument, parseRow, parseRows } from "./document.ts";

const domains = documentStatements("domains");
const groups = documentStatements("instance_groups");
const parties = documentStatements("relying_parties");
const services = documentStatements("services");
const members = documentStatements("members");

/** Row of the one domain that a store holds. */
const domainRow = "domain";

const allHosts = statement((db) =>
  db
    .selectFrom("hosts")
    .select(["document", "document_version"])
    .orderBy((eb) => eb.fn("length", ["id"]))
    .orderBy("id"),
);
const hostById = statement((db, p: { id: string }) =>
  db.selectFrom("hosts").select(["document", "document_version"]).where("id", "=", p.id),
);
const putHost = statement((db, p: { id: string; document: string; version: number }) =>
  db
    .insertInto("hosts")
    .values({ id: p.id, document: p.document, document_version: p.version })
    .onConflict((oc) =>
      oc.column("id").doUpdateSet({ document: p.document, document_version: p.version }),
    ),
);
const removeHost = statement((db, p: { id: string }) =>
  db.deleteFrom("hosts").where("id", "=", p.id),
);
const raiseHostVersion = statement((db, p: { id: string }) =>
  db
    .updateTable("hosts")
    .set((eb) => ({ document_version: eb("document_version", "+", eb.lit(1)) }))
    .where("id", "=", p.id)
    .returning("document_version"),
);

const allInstances = statement((db) =>
  db
    .selectFrom("instances")
    .select("document")
    .orderBy((eb) => eb.fn("length", ["id"]))
    .orderBy("id"),
);
const instancesOfHost = statement((db, p: { hostId: string }) =>
  db
    .selectFrom("instances")
    .select("document")
    .where("host_id", "=", p.hostId)
    .orderBy((eb) => eb.fn("length", ["id"]))
    .orderBy("id"),
);
const putInstance = statement((db, p: { id: string; hostId: string; document: string }) =>
  db
    .insertInto("instances")
    .values({ id: p.id, host_id: p.hostId, document: p.document })
    .onConflict((oc) => oc.column("id").doUpdateSet({ host_id: p.hostId, document: p.document })),
);
const removeInstance = statement((db, p: { id: string }) =>
  db.deleteFrom("instances").where("id", "=", p.id),
);

const takeNumber = statement((db, p: { name: string; first: number }) =>
  db
    .insertInto("counters")
    .values({ name: p.name, value: p.first })
    .onConflict((oc) =>
      oc.column("name").doUpdateSet((eb) => ({
        value: eb
          .case()
          .when("counters.value", "<", eb.ref("excluded.value"))
          .then(eb.ref("excluded.value"))
          .else(eb("counters.value", "+", eb.lit(1)))
          .end(),
      })),
    )
    .returning("value"),
);

export class TopologyView implements TopologyReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async domain(): Promise<Domain> {
    return requireDomain(await this.#executor.rows(domains.all({})));
  }

  async hosts(): Promise<Host[]> {
    return (await this.#executor.rows(allHosts({}))).map(readHost);
  }

  async host(id: HostId): Promise<Host | undefined> {
    const row = first(await this.#executor.rows(hostById({ id })));
    return row && readHost(row);
  }

  async groups(): Promise<Group[]> {
    return parseRows(await this.#executor.rows(groups.all({})));
  }

  async instances(hostId?: HostId): Promise<Instance[]> {
    return parseRows(
      await this.#executor.rows(
        hostId === undefined ? allInstances({}) : instancesOfHost({ hostId }),
      ),
    );
  }

  async relyingParties(): Promise<RelyingParty[]> {
    return parseRows(await this.#executor.rows(parties.all({})));
  }

  async services(): Promise<Service[]> {
    return parseRows(await this.#executor.rows(services.all({})));
  }

  async members(): Promise<Member[]> {
    return parseRows(await this.#executor.rows(members.all({})));
  }

  async whole(): Promise<Topology> {
    const [domainRows, hostRows, groupRows, instanceRows, partyRows, serviceRows, memberRows] =
      await this.#executor.snapshot([
        domains.all({}),
        allHosts({}),
        groups.all({}),
        allInstances({}),
        parties.all({}),
        services.all({}),
        members.all({}),
      ] as const);
    return {
      domain: requireDomain(domainRows),
      hosts: hostRows.map(readHost),
      groups: parseRows(groupRows),
      instances: parseRows(instanceRows),
      relyingParties: parseRows(partyRows),
      services: parseRows(serviceRows),
      members: parseRows(memberRows),
    };
  }
}

export class TopologyTables extends TopologyView implements TopologyWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  putDomain(domain: Domain): Promise<void> {
    return this.#put(domains.put({ id: domainRow, document: JSON.stringify(domain) }));
  }

  putHost(host: Host): Promise<void> {
    const { documentVersion, ...rest } = host;
    return this.#put(
      putHost({ id: host.id, document: JSON.stringify(rest), version: documentVersion }),
    );
  }

  removeHost(id: HostId): Promise<void> {
    return this.#remove(removeHost({ id }));
  }

  putGroup(group: Group): Promise<void> {
    return this.#put(groups.put({ id: group.id, document: JSON.stringify(group) }));
  }

  removeGroup(id: GroupId): Promise<void> {
    return this.#remove(groups.remove({ id }));
  }

  putInstance(instance: Instance): Promise<void> {
    return this.#put(
      putInstance({ id: instance.id, hostId: instance.hostId, document: JSON.stringify(instance) }),
    );
  }

  removeInstance(id: ProcessId): Promise<void> {
    return this.#remove(removeInstance({ id }));
  }

  putRelyingParty(party: RelyingParty): Promise<void> {
    return this.#put(parties.put({ id: party.id, document: JSON.stringify(party) }));
  }

  removeRelyingParty(id: RelyingPartyId): Promise<void> {
    return this.#remove(parties.remove({ id }));
  }

  putService(service: Service): Promise<void> {
    return this.#put(services.put({ id: service.id, document: JSON.stringify(service) }));
  }

  removeService(id: ServiceId): Promise<void> {
    return this.#remove(services.remove({ id }));
  }

  putMember(member: Member): Promise<void> {
    return this.#put(members.put({ id: member.id, document: JSON.stringify(member) }));
  }

  removeMember(id: ProcessId): Promise<void> {
    return this.#remove(members.remove({ id }));
  }

  async nextNumber(
    kind: Parameters<TopologyWriter["nextNumber"]>[0],
    from: number,
  ): Promise<number> {
    const [row] = await this.#executor.rows(takeNumber({ name: `number:${kind}`, first: from }));
    return row?.value ?? from;
  }

  async raiseDocumentVersion(id: HostId): Promise<number> {
    const row = first(await this.#executor.rows(raiseHostVersion({ id })));
    if (row === undefined) {
      throw new DomainError(
        "not-found",
        `there is no host ${id}: list the hosts to see which there are`,
        { context: { host: id } },
      );
    }
    return row.document_version;
  }

  #put(query: Query): Promise<void> {
    this.#executor.raiseFeed();
    return this.#executor.run(query);
  }

  async #remove(query: Query): Promise<void> {
    if ((await this.#executor.changes(query)) > 0) this.#executor.raiseFeed();
  }
}

function requireDomain(rows: readonly { document: string }[]): Domain {
  const domain = parseRow<Domain>(first(rows));
  if (domain === undefined) {
    throw new DomainError(
      "home-missing",
      "the store holds no domain: make one with `managedomain -i`, or join one",
    );
  }
  return domain;
}

function readHost(row: { document: string; document_version: number }): Host {
  const host = parseDocument<Omit<Host, "documentVersion">>(row.document);
  return {
    ...host,
    // The version before has not written it.
    nodeManager: { ...host.nodeManager, sealingKey: host.nodeManager.sealingKey ?? null },
    documentVersion: row.document_version,
  };
}
