import fc from "fast-check";
import { Check } from "typebox/value";
import { expect, it } from "vitest";
import { explain } from "./explain.ts";
import { routes } from "./index.ts";
import { instanceSettings } from "./instance.ts";
import { checkValue } from "./validate.ts";

const settings = {
  id: "instance-1",
  name: "one",
  groupId: "group-1",
  hostId: "host-1",
  managementPort: 8085,
  servicesPort: 8080,
  configuration: {
    routes: [{ host: null, pathPrefix: "/", upstreams: ["http://127.0.0.1:1"], healthPath: null }],
    dnsNames: [],
  },
};

const bodies = {
  joinHost: {
    token: "t",
    hostName: "a",
    address: "a",
    nodeManagerName: "a",
    port: 1,
    requestPem: "p",
  },
  createJoinToken: { hostName: null, lifetimeSeconds: 1 },
  revoke: { serial: "00", reason: "lost" },
  createPlan: { kind: "rotate-ca", usages: ["traffic"], observeSeconds: 0, subject: null },
  configureGroup: settings.configuration,
};

it("checkValue returns the value when it has the form", () => {
  expect(checkValue(instanceSettings, settings, "settings")).toBe(settings);
});

it.each([
  ["a field is missing", { ...settings, name: undefined }, "name is missing"],
  ["a field is unknown", { ...settings, surprise: 1 }, "surprise is not known: there may be id, "],
  [
    "a number is out of range",
    { ...settings, servicesPort: 70_000 },
    "servicesPort must be a whole number from 1 to 65535",
  ],
  ["it is no object", null, "settings must be an object"],
])("checkValue says where when %s", (_when, value, text) => {
  expect(() => checkValue(instanceSettings, value, "settings")).toThrow(
    expect.objectContaining({ code: "invalid-input", message: expect.stringContaining(text) }),
  );
});

it("checkValue never repeats a value, since it may be a secret", () => {
  expect(() => checkValue(instanceSettings, { ...settings, hostId: 12345 }, "settings")).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining("12345") }),
  );
});

const configured = { ...settings.configuration, surprise: 1 };
const route = { host: null, pathPrefix: "x", upstreams: ["https://a"], healthPath: "y", more: 1 };

it.each<[string, keyof typeof bodies, unknown, string]>([
  ["an empty name", "joinHost", { hostName: "" }, "hostName must not be empty"],
  [
    "a long name",
    "joinHost",
    { hostName: "x".repeat(300) },
    "hostName must have at most 256 characters",
  ],
  ["a number as text", "joinHost", { port: "1" }, "port must be a whole number from 1 to 65535"],
  [
    "a long lifetime",
    "createJoinToken",
    { lifetimeSeconds: 86_400_000 },
    "lifetimeSeconds must be a whole number from 1 to 604800 (7 days)",
  ],
  [
    "an empty name that may be null",
    "createJoinToken",
    { hostName: "" },
    "hostName must not be empty",
  ],
  [
    "a serial that is no number",
    "revoke",
    { serial: "zz" },
    "serial must be a serial number: 1 to 40 hexadecimal digits in lower case",
  ],
  ["no reason", "revoke", { reason: "" }, "reason must not be empty"],
  [
    "a word that is none of several",
    "createPlan",
    { usages: ["x"] },
    "usages[0] must be management, traffic, or a service, as service-1",
  ],
  [
    "the same twice",
    "createPlan",
    { usages: ["traffic", "traffic"] },
    "usages must not have the same entry twice",
  ],
  ["too few", "createPlan", { usages: [] }, "usages must have at least 1 entry"],
  [
    "an unknown field",
    "configureGroup",
    configured,
    "surprise is not known: there may be routes, dnsNames",
  ],
  ["no list", "configureGroup", { dnsNames: "a" }, "dnsNames must be a list"],
  [
    "a wrong entry of a list",
    "configureGroup",
    { routes: [route] },
    "routes[0].pathPrefix must be a path that begins with /; routes[0].upstreams[0] must be http://host:port; routes[0].healthPath must be a path that begins with /; routes[0].more is not known: there may be host, pathPrefix, upstreams, healthPath",
  ],
])("checkValue says in plain words what is allowed instead of %s", (_what, name, change, text) => {
  const value = { ...bodies[name], ...(change as object) };
  expect(() => checkValue(routes[name].body, value, "it")).toThrow(
    expect.objectContaining({ message: `it is refused: ${text}` }),
  );
});

it("checkValue has a reason for whatever it refuses, and refuses whatever has a reason", () => {
  const names = Object.keys(bodies) as (keyof typeof bodies)[];
  const field = fc.constantFrom(...names.flatMap((name) => Object.keys(bodies[name])));
  const change = fc.dictionary(
    field,
    fc.oneof(fc.jsonValue(), fc.constantFrom("traffic", "00", 1)),
  );
  fc.assert(
    fc.property(fc.constantFrom(...names), change, fc.jsonValue(), (name, changes, other) => {
      for (const value of [{ ...bodies[name], ...changes }, other]) {
        const schema = routes[name].body;
        expect(explain(schema, value, "it").length === 0).toBe(Check(schema, value));
      }
    }),
  );
});
