import type {
  RouteBody,
  RouteName,
  RouteParams,
  RouteQuery,
  RouteResponse,
} from "../contract/index.ts";
import type { Caller } from "./access.ts";
import type { AdminState } from "./admin-state.ts";
import { accessHandlers } from "./handlers-access.ts";
import { agentHandlers } from "./handlers-agent.ts";
import type { Reading } from "./cut-off.ts";
import { authorityKeyHandlers } from "./handlers-authority-keys.ts";
import { editHandlers } from "./handlers-edits.ts";
import { hostHandlers } from "./handlers-hosts.ts";
import { changeHandlers } from "./handlers-change.ts";
import { signingHandlers } from "./handlers-signing.ts";
import { restorationHandlers } from "./handlers-restoration.ts";
import { serviceHandlers } from "./handlers-services.ts";
import { storeHandlers } from "./handlers-store.ts";
import { topologyHandlers } from "./handlers-topology.ts";
import { topologyCheckHandlers } from "./handlers-topology-check.ts";

/** One validated call of a route by an admitted caller. */
interface Call<Name extends RouteName> {
  readonly body: RouteBody<Name>;
  readonly params: RouteParams<Name>;
  readonly query: RouteQuery<Name>;
  readonly caller: Caller;
  /** The caller's name in the audit log. */
  readonly actor: string;
}

/** Routes that are served, too, while the store cannot be reached: from what was last known of it. */
const shownRoutes = [
  "getTrust",
  "logIn",
  "getTopology",
  "checkTopology",
  "listCredentials",
  "getHorizon",
  "listAuthorities",
  "listFindings",
  "listRollouts",
  "getRollout",
] as const satisfies readonly RouteName[];
type ShownRoute = (typeof shownRoutes)[number];

export function isShown(name: RouteName): name is ShownRoute {
  return (shownRoutes as readonly RouteName[]).includes(name);
}

type Handler<Name extends RouteName> = (
  state: Name extends ShownRoute ? Reading : AdminState,
  call: Call<Name>,
) => Promise<RouteResponse<Name>>;
export type Handlers<Name extends RouteName> = { readonly [N in Name]: Handler<N> };

/** The handler of every route. */
export const handlers: Handlers<RouteName> = {
  ...accessHandlers,
  ...agentHandlers,
  ...topologyHandlers,
  ...hostHandlers,
  ...editHandlers,
  ...topologyCheckHandlers,
  ...changeHandlers,
  ...serviceHandlers,
  ...storeHandlers,
  ...authorityKeyHandlers,
  ...signingHandlers,
  ...restorationHandlers,
};
