import {
  approveHost,
  configureGroup,
  createInstance,
  deleteGroup,
  deleteHost,
  deleteInstance,
  formatNextCursor,
  parseLogCursor,
  restoreAuthority,
  retireAuthority,
  setHostDial,
  setInstanceEnabled,
} from "../control/index.ts";
import { isSignedElsewhere, maySign } from "../domain/index.ts";
import { arrangeEvidence, horizonOf } from "../planning/index.ts";
import { shownSnapshot } from "./cut-off.ts";
import { currentFindings } from "./findings.ts";
import { sealFor } from "./handlers-edits.ts";
import { refuseLostKeys } from "./lost-keys.ts";
import type { Handlers } from "./handlers.ts";
import { topologyView } from "./topology-view.ts";

type Names =
  | "getTopology"
  | "deleteHost"
  | "setHostDial"
  | "approveHost"
  | "createInstance"
  | "setInstanceEnabled"
  | "deleteInstance"
  | "configureGroup"
  | "deleteGroup"
  | "listCredentials"
  | "listAuthorities"
  | "getHorizon"
  | "restoreAuthority"
  | "retireAuthority"
  | "listIssuances"
  | "listFindings"
  | "watchChanges";

export const topologyHandlers: Handlers<Names> = {
  getTopology: (state) => topologyView(state),
  async deleteHost(state, { params, actor }) {
    await deleteHost(state.env, { id: params.id, actor });
    state.presence.disconnect(params.id);
    state.strays.forget(params.id);
    return null;
  },
  async setHostDial({ env }, { params, body, actor }) {
    await setHostDial(env, { id: params.id, dial: body.dial, actor });
    return null;
  },
  async approveHost({ env }, { params, actor }) {
    await approveHost(env, params.id, actor);
    return null;
  },
  async createInstance(state, { body, actor }) {
    const { env } = state;
    await refuseLostKeys(state, ["management", "traffic"]);
    const { passphrase: text, ...rest } = body;
    const passphrase = text === undefined ? {} : { passphrase: { text, seal: sealFor } };
    const wish = { ...rest, ...passphrase, actor } as Parameters<typeof createInstance>[1];
    const { instance, group } = await createInstance(env, wish);
    const { id, name, groupId, hostId, managementPort, servicesPort } = instance;
    return { id, name, groupId, groupName: group.name, hostId, managementPort, servicesPort };
  },
  async setInstanceEnabled({ env }, { params, body, actor }) {
    await setInstanceEnabled(env, { id: params.id, enabled: body.enabled, actor });
    return null;
  },
  async deleteInstance({ env }, { params, actor }) {
    await deleteInstance(env, { id: params.id, actor });
    return null;
  },
  async configureGroup({ env }, { params, body, actor }) {
    await configureGroup(env, { id: params.id, configuration: body, actor });
    return null;
  },
  async deleteGroup({ env }, { params, actor }) {
    await deleteGroup(env, { id: params.id, actor });
    return null;
  },
  async getHorizon(reading) {
    const { env, reports } = reading;
    const evidence = await env.store.read(async (view) =>
      arrangeEvidence(await shownSnapshot(reading, view)),
    );
    const { processes, authorities } = horizonOf(evidence);
    return {
      atMs: processes[0]?.atMs ?? null,
      minimumMs: env.policy.horizonMinSeconds * 1000,
      processes: [...processes],
      authorities: [...authorities],
      signers: evidence.snapshot.authorities
        .filter(({ status }) => maySign(status, "probe"))
        .filter((authority) => !isSignedElsewhere(authority))
        .map(({ id, token }) => ({
          authorityId: id,
          hosts: reports.signersOf(id),
          ...(token === undefined ? {} : { token }),
        })),
    };
  },
  async listCredentials({ env }) {
    return env.store.read(async (view) => {
      const seen = new Map(
        (await view.observations.hosts()).flatMap((host) =>
          host.credentials.map((credential) => [credential.id, credential]),
        ),
      );
      const credentials = (await view.credentials.all()).map(
        ({ id, process, hostId, usage, desired }) => {
          const observed = seen.get(id);
          const installed = observed?.installed ?? null;
          return {
            id,
            process,
            hostId,
            usage,
            authorityId: desired.authorityId,
            installedSequence: installed?.sequence ?? null,
            installedSerial: installed?.serial ?? null,
            notAfterMs: installed?.notAfterMs ?? null,
            onWire: installed !== null && observed?.seenOnWire?.serial === installed.serial,
            failedRenewals: observed?.failedRenewals ?? 0,
            lastError: observed?.lastError ?? null,
          };
        },
      );
      return { credentials };
    });
  },
  async listAuthorities({ env, reports }) {
    const all = await env.store.read((view) => view.authorities.all());
    return {
      authorities: all.map(
        ({ id, usage, signing, subject, fingerprint, certificatePem, notAfterMs, ...rest }) => ({
          id,
          usage,
          signing,
          subject,
          fingerprint,
          certificatePem,
          notAfterMs,
          status: rest.status,
          holders: [...rest.holders],
          signers: reports.signersOf(id),
          ...(rest.token === undefined ? {} : { token: rest.token }),
        }),
      ),
    };
  },
  async restoreAuthority({ env }, { params, actor }) {
    await restoreAuthority(env, { id: params.id, actor });
    return null;
  },
  async retireAuthority({ env }, { params, actor }) {
    await retireAuthority(env, { id: params.id, actor });
    return null;
  },
  async listIssuances({ env }, { query }) {
    const after = parseLogCursor(query.after ?? "");
    const page = await env.store.read((view) => view.issuances.page(after, query.limit));
    return {
      next: formatNextCursor(after, page),
      issuances: page.map(({ writer, position, issuance }) => {
        const {
          authorityId,
          serial,
          kind,
          credentialId,
          subject,
          fingerprint,
          notBeforeMs,
          notAfterMs,
          issuedAtMs,
        } = issuance;
        return {
          writer,
          position,
          authorityId,
          serial,
          kind,
          credentialId,
          subject,
          fingerprint,
          notBeforeMs,
          notAfterMs,
          issuedAtMs,
        };
      }),
    };
  },
  async listFindings(state) {
    return { findings: await currentFindings(state) };
  },
  async watchChanges({ env }, { query }) {
    return { revision: await env.store.waitForRevision(query.revision, query.waitMs) };
  },
};
