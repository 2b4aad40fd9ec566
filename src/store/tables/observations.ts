import type { HostId } from "../../kit/index.ts";
import type { HostObservation, RelyingPartyObservation } from "../../domain/index.ts";
import type { ObservationReader, ObservationWriter } from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import { documentStatements, parseRow, parseRows } from "./document.ts";

const ofHosts = documentStatements("host_observations");
const ofParties = documentStatements("relying_party_observations");

export class ObservationView implements ObservationReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async hosts(): Promise<HostObservation[]> {
    return parseRows(await this.#executor.rows(ofHosts.all({})));
  }

  async host(id: HostId): Promise<HostObservation | undefined> {
    return parseRow(first(await this.#executor.rows(ofHosts.get({ id }))));
  }

  async relyingParties(): Promise<RelyingPartyObservation[]> {
    return parseRows(await this.#executor.rows(ofParties.all({})));
  }
}

export class ObservationTables extends ObservationView implements ObservationWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  putHost(observation: HostObservation): Promise<void> {
    return this.#executor.run(
      ofHosts.put({ id: observation.hostId, document: JSON.stringify(observation) }),
    );
  }

  removeHost(id: HostId): Promise<void> {
    return this.#executor.run(ofHosts.remove({ id }));
  }

  putRelyingParty(observation: RelyingPartyObservation): Promise<void> {
    return this.#executor.run(
      ofParties.put({ id: observation.id, document: JSON.stringify(observation) }),
    );
  }
}
