import { expect, it } from "vitest";
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

it("checkValue returns the value when it has the form", () => {
  expect(checkValue(instanceSettings, settings, "settings")).toBe(settings);
});

it.each([
  ["a field is missing", { ...settings, name: undefined }, "name"],
  ["a field is unknown", { ...settings, surprise: 1 }, "additional"],
  ["a number is out of range", { ...settings, servicesPort: 70_000 }, "/servicesPort"],
  ["it is no object", null, "object"],
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
