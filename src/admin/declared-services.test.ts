import { describe, expect, test } from "vitest";
import type { Declaration } from "../contract/index.ts";
import { declaredServices, notesOn } from "./declared-services.ts";

type Declared = Declaration["services"][number];

const web: Declared = {
  name: "web",
  shape: "replicas",
  driver: "nginx",
  variables: { folder: "/var/lib/members/web", port: 8443 },
  members: [{ name: "one", host: "host-1" }],
};

function read(...services: Declared[]) {
  return declaredServices({ services });
}

describe("declaredServices", () => {
  test("reads a driver that comes with Gatehouse, and what plans have to know of it", async () => {
    const [service] = await read(web);
    expect(service).toMatchObject({
      driver: { name: "nginx", traits: { overlap: true, keyBy: "reload" } },
      supervised: false,
      maxUnavailable: 1,
      isBuiltIn: false,
      members: [{ name: "one", pair: null, enabled: true, variables: { port: 8443 } }],
    });
  });

  test("a member's own values and settings come before its service's", async () => {
    const [service] = await read({
      ...web,
      settings: { HighAvailability: { Group: "g", DiscoveryTimeout: 60 } },
      members: [
        {
          name: "one",
          host: "host-1",
          variables: { port: 9443 },
          settings: { HighAvailability: { DiscoveryTimeout: 30 } },
        },
      ],
    });
    expect(service?.members[0]).toMatchObject({
      variables: { folder: "/var/lib/members/web", port: 9443 },
      settings: { HighAvailability: { Group: "g", DiscoveryTimeout: 30 } },
    });
  });

  test.each<[string, Partial<Declared>, string, string]>([
    ["a driver that there is not", { driver: "apache" }, "not-found", "there is no driver apache"],
    [
      "a description that is none",
      { driver: { name: "own" } },
      "invalid-input",
      "the driver of service web",
    ],
    [
      "a value of the wrong form",
      { variables: { folder: "relative", port: 1 } },
      "invalid-input",
      "member one of service web",
    ],
    [
      "a value that is missing",
      { variables: {} },
      "invalid-input",
      "the variables for member one of service web are refused: folder is missing",
    ],
  ])("refuses %s, and says where", async (_, changes, code, text) => {
    await expect(read({ ...web, ...changes })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(text) as string,
    });
  });
});

test("notesOn says what a driver has to say of settings that are not wrong", async () => {
  const [service] = await read({
    name: "queue",
    shape: "pair",
    driver: "amlen",
    variables: { folder: "/var/lib/members/queue" },
    settings: {
      HighAvailability: {
        EnableHA: true,
        Group: "queue",
        RemoteDiscoveryNIC: "10.0.0.1",
        LocalDiscoveryNIC: "10.0.0.2",
        LocalReplicationNIC: "10.0.1.2",
        CertificatesRequired: true,
      },
    },
    members: [
      { name: "one", host: "host-1" },
      { name: "two", host: "host-2" },
    ],
  });
  if (service === undefined) throw new Error("one service was declared");
  const notes = notesOn(service);
  expect(notes.some((note) => /^one: .*RequireCertificates/.test(note))).toBe(true);
  expect(notes.some((note) => /^two: .*RequireCertificates/.test(note))).toBe(true);
  expect(
    notesOn({
      ...service,
      members: service.members.map(({ settings: _settings, ...rest }) => rest),
    }),
  ).toEqual([]);
});
