import { accessRoutes, trustLinksPerAnswerMax } from "./access.ts";
import { agentRoutes } from "./agent.ts";
import { authorityKeyRoutes } from "./authority-keys.ts";
import { changeRoutes } from "./change.ts";
import { editRoutes } from "./edit-topology.ts";
import { hostRoutes } from "./hosts.ts";
import type { BodyOf, ParamsOf, QueryOf, ResponseOf } from "./route.ts";
import { signingRoutes } from "./signing.ts";
import { restorationRoutes } from "./restoration.ts";
import { serviceRoutes } from "./services.ts";
import { storeRoutes } from "./store.ts";
import { topologyRoutes } from "./topology.ts";
import { topologyCheckRoutes } from "./topology-check.ts";

/** Every route of the API below `/api/v1`, by operation id. */
export const routes = {
  ...accessRoutes,
  ...agentRoutes,
  ...topologyRoutes,
  ...hostRoutes,
  ...editRoutes,
  ...topologyCheckRoutes,
  ...changeRoutes,
  ...serviceRoutes,
  ...storeRoutes,
  ...authorityKeyRoutes,
  ...signingRoutes,
  ...restorationRoutes,
} as const;

export type RouteName = keyof typeof routes;
export type RouteBody<Name extends RouteName> = BodyOf<(typeof routes)[Name]>;
export type RouteParams<Name extends RouteName> = ParamsOf<(typeof routes)[Name]>;
export type RouteQuery<Name extends RouteName> = QueryOf<(typeof routes)[Name]>;
export type RouteResponse<Name extends RouteName> = ResponseOf<(typeof routes)[Name]>;

export { trustLinksPerAnswerMax };
export type { DesiredState, IssuedCertificate, ObservedReport, WantedMember } from "./agent.ts";
export { readYaml } from "./read-yaml.ts";
export type { RolloutView } from "./change.ts";
export { asOfHeader, type Access, type RouteDefinition } from "./route.ts";
export { problem } from "./schemas.ts";
export type { SigningRequestView, SubmissionView } from "./signing.ts";
export { declaration, type Declaration, type ServiceView } from "./services.ts";
export type { TopologyCheck, TopologyDifference } from "./topology-check.ts";
export type { InstanceView, TopologyView } from "./topology.ts";
export {
  instanceRoutes,
  instanceSettings,
  type InstanceSettings,
  type InstanceStatus,
} from "./instance.ts";
export { checkValue, invalidValue } from "./validate.ts";
