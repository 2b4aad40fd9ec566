import type { Static, TSchema } from "typebox";

/**
 * Who may call a route. `public` needs nothing; `operator` and `administrator` a login (the second
 * may do all that the first may); `agent` mutual TLS as a Node Manager of the signed topology;
 * `anm` the same as an Admin Node Manager of the trust document;
 * `relying-party` the bearer token that it was registered with.
 */
export type Access = "public" | "operator" | "administrator" | "agent" | "anm" | "relying-party";

/**
 * In an answer of an Admin Node Manager that cannot reach its store: what it shows is of this moment
 * (ISO 8601).
 */
export const asOfHeader = "gatehouse-as-of";

/** One route of the API: validated by, documented from, and called through this one object. */
export interface RouteDefinition {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/api/v1`; parameters as `:name`. */
  readonly path: string;
  readonly access: Access;
  readonly summary: string;
  readonly status: 200 | 201 | 204;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly response: TSchema;
  /** Calls from one address are counted, before anything else is done for them, and limited. */
  readonly callsPerMinuteMax?: number;
}

type Of<Definition, Part extends string> = Definition extends {
  readonly [P in Part]: infer Schema extends TSchema;
}
  ? Static<Schema>
  : undefined;

export type ParamsOf<Definition> = Of<Definition, "params">;
export type QueryOf<Definition> = Of<Definition, "query">;
export type BodyOf<Definition> = Of<Definition, "body">;
export type ResponseOf<Definition> = Of<Definition, "response">;
