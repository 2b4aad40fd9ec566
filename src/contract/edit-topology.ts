import { Type } from "typebox";
import type { RouteDefinition } from "./route.ts";
import { groupId, hostId, name, nothing, port, processId, strict } from "./schemas.ts";

const ofInstance = strict({ id: processId });
const tag = Type.String({ minLength: 1, maxLength: 256, description: "name of a tag" });

/** Changes of what instances and groups are called, and of their tags. */
const passphrase = Type.String({ maxLength: 1024, description: "never logged; empty: none" });

export const editRoutes = {
  changeGroupPassphrase: {
    method: "PUT",
    path: "/groups/:id/passphrase",
    access: "administrator",
    status: 204,
    summary:
      "Encrypts the keys of all instances of a group by another passphrase; hosts that are away do it when they are back",
    params: strict({ id: groupId }),
    body: strict({ old: passphrase, new: passphrase }),
    response: nothing,
    callsPerMinuteMax: 10,
  },
  getGroupPassphrase: {
    method: "GET",
    path: "/groups/:id/passphrase",
    access: "operator",
    status: 200,
    summary: "Which hosts hold the keys of a group under its present passphrase",
    params: strict({ id: groupId }),
    response: strict({
      isSet: Type.Boolean(),
      hosts: Type.Array(strict({ id: hostId, name, isCurrent: Type.Boolean() })),
    }),
  },
  editInstance: {
    method: "PUT",
    path: "/instances/:id",
    access: "administrator",
    status: 204,
    summary: "Renames an instance, or gives it other ports while it is stopped",
    params: ofInstance,
    body: strict({
      name: Type.Optional(name),
      managementPort: Type.Optional(port),
      servicesPort: Type.Optional(port),
    }),
    response: nothing,
  },
  renameGroup: {
    method: "PUT",
    path: "/groups/:id/name",
    access: "administrator",
    status: 204,
    summary: "Renames a group",
    params: strict({ id: groupId }),
    body: strict({ name }),
    response: nothing,
  },
  setTag: {
    method: "PUT",
    path: "/instances/:id/tags/:tag",
    access: "administrator",
    status: 204,
    summary: "Gives a tag of an instance a value",
    params: strict({ id: processId, tag }),
    body: strict({ value: Type.String({ maxLength: 1024 }) }),
    response: nothing,
  },
  deleteTag: {
    method: "DELETE",
    path: "/instances/:id/tags/:tag",
    access: "administrator",
    status: 204,
    summary: "Takes a tag from an instance",
    params: strict({ id: processId, tag }),
    response: nothing,
  },
} as const satisfies Record<string, RouteDefinition>;
