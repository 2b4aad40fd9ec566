import { Type } from "typebox";
import type { RouteDefinition } from "./route.ts";
import { finding, list, strict } from "./schemas.ts";

/** Where the domain's store is. */
export const storeRoutes = {
  checkStore: {
    method: "GET",
    path: "/store/check",
    access: "operator",
    status: 200,
    summary: "Where the store is, and what stands in the way of calling it highly available",
    response: strict({
      kind: Type.Union([Type.Literal("embedded"), Type.Literal("postgresql")]),
      servers: list(Type.String()),
      findings: list(finding),
    }),
  },
  moveStore: {
    method: "POST",
    path: "/store/move",
    access: "administrator",
    status: 200,
    summary: "Moves the store into the database of the home's settings while it is in use",
    response: strict({
      records: Type.Integer(),
      issuances: Type.Integer(),
      heldMs: Type.Integer({ description: "for how long reads and writes had to wait" }),
    }),
  },
} as const satisfies Record<string, RouteDefinition>;
