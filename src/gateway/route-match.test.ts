import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostWithoutPort, matchRoute, readTarget } from "./route-match.ts";

const route = (host: string | null, pathPrefix: string) => ({ host, pathPrefix });

describe("matchRoute", () => {
  it.each([
    ["/api", "/api", true],
    ["/api", "/api/x", true],
    ["/api", "/api?x=1", true],
    ["/api", "/apis", false],
    ["/api/", "/api/x", true],
    ["/api/", "/api", false],
    ["/", "/anything", true],
    ["/api", "/API", false],
  ])("takes whole segments when the prefix is %s and the path %s", (prefix, path, matches) => {
    const found = matchRoute([route(null, prefix)], { host: "a", path });
    expect(found !== undefined).toBe(matches);
  });

  it("takes the first route when several match", () => {
    const routes = [route("b.example", "/"), route(null, "/x"), route(null, "/")];
    expect(matchRoute(routes, { host: "a.example", path: "/x/y" })).toBe(routes[1]);
    expect(matchRoute(routes, { host: "b.example", path: "/x/y" })).toBe(routes[0]);
    expect(matchRoute(routes, { host: "a.example", path: "/y" })).toBe(routes[2]);
  });

  it("finds nothing when the host is another one", () => {
    expect(matchRoute([route("b.example", "/")], { host: "a.example", path: "/" })).toBeUndefined();
  });

  it("never takes a path that does not begin with the prefix", () => {
    fc.assert(
      fc.property(fc.webPath(), fc.webPath(), (prefix, path) => {
        const found = matchRoute([route(null, `/${prefix}`)], { host: "a", path: `/${path}` });
        return found === undefined || `/${path}`.startsWith(`/${prefix}`);
      }),
    );
  });
});

describe("readTarget", () => {
  it("reads host and path when the target is in origin form", () => {
    expect(readTarget("/a?b=../c", "Api.Example:8443")).toEqual({
      host: "api.example",
      path: "/a?b=../c",
    });
  });

  it("lets the authority replace the Host header when the target is in absolute form", () => {
    expect(readTarget("http://one.example:80/a?b", "two.example")).toEqual({
      host: "one.example",
      path: "/a?b",
    });
    expect(readTarget("https://one.example?b", undefined).path).toBe("/?b");
  });

  it.each([
    "*",
    "a.example:443",
    "/a/../b",
    "/a/%2e%2E/b",
    "/a/.",
    "/./a",
    "/a/..?x",
    "/a\\..\\b",
    "/a%2f..%2fb",
    "ftp://a/b",
  ])("refuses when the target is %s", (target) => {
    expect(() => readTarget(target, "a.example")).toThrow(
      expect.objectContaining({ code: "invalid-input" }),
    );
  });

  it.each(["/a..b", "/...", "/.well-known/x", "/a.b/c"])("accepts dots in names: %s", (path) => {
    expect(readTarget(path, "a").path).toBe(path);
  });
});

describe("hostWithoutPort", () => {
  it.each([
    ["A.example:8080", "a.example"],
    ["a.example.", "a.example"],
    ["[2001:DB8::1]:80", "[2001:db8::1]"],
    ["[::1]", "[::1]"],
    ["127.0.0.1:1", "127.0.0.1"],
  ])("reads the host when it is %s", (authority, host) => {
    expect(hostWithoutPort(authority)).toBe(host);
  });
});
