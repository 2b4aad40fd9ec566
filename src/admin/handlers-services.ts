import type { ServiceView } from "../contract/index.ts";
import {
  applyServices,
  deleteService,
  requireService,
  switchOver,
  type StoreView,
} from "../control/index.ts";
import {
  documentedStatus,
  isRecent,
  membersOf,
  serviceVerdict,
  type SeenMember,
  type Service,
} from "../domain/index.ts";
import { declaredServices, notesOn } from "./declared-services.ts";
import type { Handlers } from "./handlers.ts";
import { withRemedy } from "./service-findings.ts";

type Names =
  | "applyServices"
  | "listServices"
  | "getService"
  | "getServiceStatus"
  | "switchOver"
  | "deleteService";

export const serviceHandlers: Handlers<Names> = {
  async applyServices(state, { body, actor }) {
    const declared = await declaredServices(body);
    const services = await applyServices(state.env, declared, actor);
    await state.refreshTrust();
    const notes = new Map(declared.map((each) => [each.name, notesOn(each)]));
    return {
      services: services.map((each) => ({
        ...each,
        changes: [...each.changes],
        notes: notes.get(each.name) ?? [],
      })),
    };
  },
  listServices: ({ env }) =>
    env.store.read(async (view) => {
      const services = await view.topology.services();
      return {
        services: await Promise.all(services.map((each) => viewOf(view, each, env.clock.nowMs()))),
      };
    }),
  getService: ({ env }, { params }) =>
    env.store.read(async (view) =>
      viewOf(view, await requireService(view, params.service), env.clock.nowMs()),
    ),
  getServiceStatus: ({ env }, { params }) =>
    env.store.read(async (view) => {
      const service = await requireService(view, params.service);
      const seen = await seenMembers(view, service);
      const nowMs = env.clock.nowMs();
      const { health, findings } = serviceVerdict(service, seen, nowMs);
      return {
        name: service.name,
        health,
        findings: withRemedy(findings, service, await view.credentials.all()),
        members: documentedStatus(service, seen, nowMs),
        history: seen
          .flatMap(({ member, observation }) =>
            (observation?.history ?? []).map((change) => ({ ...change, member: member.name })),
          )
          .toSorted((a, b) => b.atMs - a.atMs),
      };
    }),
  async switchOver({ env }, { params, body, actor }) {
    const { member: to, by } = body;
    const { id, name } = await switchOver(env, { service: params.service, to, by, actor });
    return { id, name };
  },
  async deleteService(state, { params, actor }) {
    await deleteService(state.env, { name: params.service, actor });
    await state.refreshTrust();
    return null;
  },
};

async function viewOf(view: StoreView, service: Service, nowMs: number): Promise<ServiceView> {
  const { id, name, shape, supervised } = service;
  return {
    id,
    name,
    shape,
    driver: service.driver.name,
    supervised,
    members: (await seenMembers(view, service)).map(
      ({ member, observation, receivedAtMs, state }) => ({
        id: member.id,
        name: member.name,
        hostId: member.hostId,
        pair: member.pair,
        // What a host said last is no news of one that is gone.
        state: isRecent(receivedAtMs, nowMs) ? (state ?? "unknown") : "unknown",
        seenAtMs: receivedAtMs,
        observed: observation,
      }),
    ),
  };
}

async function seenMembers(view: StoreView, service: Service): Promise<SeenMember[]> {
  const hosts = await view.observations.hosts();
  return membersOf({ members: await view.topology.members() }, service).map((member) => {
    const host = hosts.find(({ hostId }) => hostId === member.hostId);
    const state = host?.processes.find(({ id }) => id === member.id)?.state;
    return {
      member,
      observation: host?.members?.find((each) => each.id === member.id) ?? null,
      receivedAtMs: host?.receivedAtMs ?? null,
      ...(state === undefined ? {} : { state }),
    };
  });
}
