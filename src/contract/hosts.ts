import { Type } from "typebox";
import type { RouteDefinition } from "./route.ts";
import {
  authorityId,
  hostId,
  list,
  name,
  nothing,
  nullable,
  port,
  secret,
  strict,
} from "./schemas.ts";

const ofHost = strict({ id: hostId });

/** What a host is in its domain, and how it is changed. */
export const hostRoutes = {
  getHostRole: {
    method: "GET",
    path: "/hosts/:id/role",
    access: "operator",
    status: 200,
    summary:
      "Whether the host's Node Manager is to be an Admin Node Manager, and whether it is one",
    params: ofHost,
    response: strict({
      isAdmin: Type.Boolean({ description: "what it is to be" }),
      isAdminNow: nullable(Type.Boolean({ description: "as it last said itself" })),
      isDone: Type.Boolean({ description: "it is what it is to be, and serves if it is to" }),
      problem: nullable(Type.String({ description: "what keeps it from that" })),
    }),
  },
  editHost: {
    method: "PUT",
    path: "/hosts/:id",
    access: "administrator",
    status: 204,
    summary: "Changes what a host is called and where it is reached",
    params: ofHost,
    body: strict({
      name: Type.Optional(name),
      address: Type.Optional(name),
      nodeManagerName: Type.Optional(name),
      port: Type.Optional(port),
      alternativeNames: Type.Optional(list(name)),
    }),
    response: nothing,
  },
  setKeyPassphrase: {
    method: "PUT",
    path: "/hosts/:id/key-passphrase",
    access: "administrator",
    status: 204,
    summary:
      "Encrypts the keys on the host whose certificates are signed elsewhere, while they wait, from now on",
    params: ofHost,
    body: strict({ passphrase: secret }),
    response: nothing,
  },
  setHostRole: {
    method: "PUT",
    path: "/hosts/:id/role",
    access: "administrator",
    status: 200,
    summary:
      "Makes the host's Node Manager an Admin Node Manager, or takes that from it, while it runs; answers with the authorities whose keys are taken from it",
    params: ofHost,
    body: strict({
      isAdmin: Type.Boolean(),
      hasDatabaseLogin: Type.Optional(
        Type.Boolean({ description: "the caller has seen to the login to the database there" }),
      ),
    }),
    response: strict({ authorities: list(authorityId) }),
  },
} as const satisfies Record<string, RouteDefinition>;
