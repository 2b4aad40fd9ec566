import type { Route } from "../domain/index.ts";
import { DomainError } from "../kit/index.ts";

/** What a request asks for: host without port, lower case; path with query as it was sent. */
export interface RequestTarget {
  readonly host: string;
  readonly path: string;
}

/**
 * Reads the request target (RFC 9112 3.2): origin form, or absolute form, whose authority then
 * replaces the Host header. Throws `invalid-input` for anything else, and for a path with dot
 * segments: an upstream that resolves them would serve what its route was not meant to open.
 */
export function readTarget(url: string, hostHeader: string | undefined): RequestTarget {
  const [, authority, rest = ""] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url) ?? [];
  const path = authority === undefined ? url : originForm(rest);
  if (!path.startsWith("/")) {
    throw new DomainError("invalid-input", "the request target is not a path that begins with /");
  }
  if (hasDotSegment(path)) {
    throw new DomainError(
      "invalid-input",
      "the path contains . or .. segments: resolve them first",
    );
  }
  return { host: hostWithoutPort(authority ?? hostHeader ?? ""), path };
}

function originForm(rest: string): string {
  return rest.startsWith("/") ? rest : `/${rest}`;
}

function hasDotSegment(path: string): boolean {
  const [pathOnly = ""] = path.split(/[?#]/, 1);
  return pathOnly.split(/[/\\]|%2f|%5c/i).some((segment) => /^(\.|%2e){1,2}$/i.test(segment));
}

/** The host of `host`, `host:port` or `[v6]:port`, in lower case and without a final dot. */
export function hostWithoutPort(authority: string): string {
  const host = /^\[[^\]]*\]/.exec(authority)?.[0] ?? authority.replace(/:\d*$/, "");
  return host.toLowerCase().replace(/\.$/, "");
}

/**
 * The first route that takes the target. A prefix matches whole segments: `/api` takes `/api`,
 * `/api?x` and `/api/x`, not `/apis`.
 */
export function matchRoute<Each extends Pick<Route, "host" | "pathPrefix">>(
  routes: readonly Each[],
  target: RequestTarget,
): Each | undefined {
  return routes.find(
    (route) =>
      (route.host === null || hostWithoutPort(route.host) === target.host) &&
      hasPrefix(target.path, route.pathPrefix),
  );
}

function hasPrefix(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  const next = path.charAt(prefix.length);
  return prefix.endsWith("/") || next === "" || next === "/" || next === "?" || next === "#";
}
