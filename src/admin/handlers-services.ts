import type { ServiceView } from "../contract/index.ts";
import {
  applyServices,
  deleteService,
  requireService,
  switchOver,
  type StoreView,
} from "../control/index.ts";
import { membersOf, type Service } from "../domain/index.ts";
import { declaredServices } from "./declared-services.ts";
import type { Handlers } from "./handlers.ts";

type Names = "applyServices" | "listServices" | "getService" | "switchOver" | "deleteService";

export const serviceHandlers: Handlers<Names> = {
  async applyServices(state, { body, actor }) {
    const services = await applyServices(state.env, await declaredServices(body), actor);
    await state.refreshTrust();
    return { services: services.map((each) => ({ ...each, changes: [...each.changes] })) };
  },
  listServices: ({ env }) =>
    env.store.read(async (view) => {
      const services = await view.topology.services();
      return { services: await Promise.all(services.map((each) => viewOf(view, each))) };
    }),
  getService: ({ env }, { params }) =>
    env.store.read(async (view) => viewOf(view, await requireService(view, params.service))),
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

async function viewOf(view: StoreView, service: Service): Promise<ServiceView> {
  const members = membersOf({ members: await view.topology.members() }, service);
  const { id, name, shape, supervised } = service;
  return {
    id,
    name,
    shape,
    driver: service.driver.name,
    supervised,
    members: await Promise.all(
      members.map(async (member) => {
        const seen = await view.observations.host(member.hostId);
        return {
          id: member.id,
          name: member.name,
          hostId: member.hostId,
          pair: member.pair,
          state: seen?.processes.find((each) => each.id === member.id)?.state ?? "unknown",
          seenAtMs: seen?.receivedAtMs ?? null,
          observed: seen?.members?.find((each) => each.id === member.id) ?? null,
        };
      }),
    ),
    findings: [],
  };
}
