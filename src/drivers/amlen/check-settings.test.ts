import { expect, test } from "vitest";
import { propertyRules } from "../../../test/simulators/amlen/configuration-objects.ts";
import { checkProperties } from "../../../test/simulators/amlen/property-rules.ts";
import { objectsOf, settingsMistakes, settingsNotes } from "./check-settings.ts";
import { objectNames, properties, type ObjectName } from "./properties.ts";

const pair = {
  EnableHA: true,
  Group: "pair",
  RemoteDiscoveryNIC: "10.0.1.24",
  LocalReplicationNIC: "10.0.1.25",
  LocalDiscoveryNIC: "10.0.1.26",
  UseSecuredConnections: true,
};
const cluster = {
  EnableClusterMembership: true,
  ClusterName: "MyCluster",
  ControlAddress: "10.0.1.5",
  UseMulticastDiscovery: false,
  DiscoveryServerList: "10.0.1.5:9104,10.0.1.4:9104",
  MessagingUseTLS: true,
};

/** A value of each kind that a property may be given, right or wrong. */
const samples = [
  true,
  "true",
  0,
  1,
  9,
  10,
  256,
  257,
  1023,
  1024,
  65_535,
  65_536,
  2_147_483_647,
  2_147_483_648,
  -1,
  1.5,
  "20",
  "",
  "AutoDetect",
  "StandAlone",
  "autodetect",
  "10.0.0.1",
  "fe80::1",
  "10.0.0.1,10.0.0.2",
  "[fe80::1]",
  "a=b",
  " a",
  "x".repeat(128),
  "x".repeat(129),
  "x".repeat(257),
  null,
];

function codeInSimulator(name: ObjectName, key: string, value: unknown): string | null {
  try {
    checkProperties(propertyRules[name], { [key]: value });
    return null;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test.each(objectNames.flatMap((name) => Object.keys(properties[name]).map((key) => [name, key])))(
  "%s.%s takes and refuses the values that the server does, with its code",
  (object = "", key = "") => {
    const name = object as ObjectName;
    for (const value of samples) {
      const found = settingsMistakes({ [name]: { [key]: value } }).filter((mistake) =>
        mistake.startsWith(`${name}.${key} must be`),
      );
      const code = codeInSimulator(name, key, value);
      if (code === null) expect(found).toEqual([]);
      else expect(found).toMatchObject([expect.stringContaining(`(${code})`)]);
    }
  },
);

test("there is a rule for every property that the server has, and no other", () => {
  for (const name of objectNames)
    expect(Object.keys(properties[name]).toSorted()).toEqual(
      Object.keys(propertyRules[name]).toSorted(),
    );
});

test.each<[string, object, string]>([
  ["an unknown property", { ...pair, Require: false }, "Require is not known (CWLNA0138)"],
  ["a number as text", { DiscoveryTimeout: "20" }, 'not "20" (CWLNA0127)'],
  ["a boolean as text", { EnableHA: "false" }, "must be true or false"],
  ["no group", { ...pair, Group: "" }, "Group is missing while EnableHA is true"],
  ["no remote NIC", { ...pair, RemoteDiscoveryNIC: "" }, "RemoteDiscoveryNIC is missing"],
  ["no replication NIC", { ...pair, LocalReplicationNIC: "" }, "LocalReplicationNIC is missing"],
  ["no discovery NIC", { ...pair, LocalDiscoveryNIC: "" }, "(CWLNA0134)"],
  ["a list of NICs", { LocalDiscoveryNIC: "10.0.0.1,10.0.0.2" }, "(CWLNA0112)"],
  ["an external port alone", { ExternalReplicationPort: 2000 }, "needs a ReplicationPort"],
  ["the loopback", { ...pair, LocalReplicationNIC: "127.0.0.1" }, "must not be the loopback"],
])("HighAvailability with %s is refused", (_, object, text) => {
  const mistakes = settingsMistakes({ HighAvailability: object });
  expect(mistakes).toMatchObject([expect.stringContaining(text)]);
});

test.each<[string, object, string]>([
  ["no name", { ...cluster, ClusterName: "" }, "ClusterName is missing"],
  ["no address", { ...cluster, ControlAddress: null }, "ControlAddress is missing"],
  ["no multicast and no list", { ...cluster, DiscoveryServerList: null }, "without multicast"],
  ["a host name in its list", { DiscoveryServerList: "one.example:9104" }, "no host names"],
  ["an IPv6 address without brackets", { DiscoveryServerList: "fd00::4:9104" }, "[fd00::4]:9104"],
  ["a port that is none", { DiscoveryServerList: "10.0.0.1:65536" }, "DiscoveryServerList needs"],
  ["one port for both", { ...cluster, MessagingPort: 9104 }, "MessagingPort is ControlPort"],
  [
    "both spellings",
    { RequireCertificates: true, CertificatesRequired: true },
    "remove CertificatesRequired",
  ],
])("ClusterMembership with %s is refused", (_, object, text) => {
  const mistakes = settingsMistakes({ ClusterMembership: object });
  expect(mistakes).toMatchObject([expect.stringContaining(text)]);
});

test("an object is judged together with what the server has already", () => {
  const settings = { HighAvailability: { EnableHA: true } };
  expect(settingsMistakes(settings)).toHaveLength(4);
  expect(settingsMistakes(settings, { HighAvailability: { ...pair, EnableHA: false } })).toEqual(
    [],
  );
});

test.each([
  [{ HighAvailibility: pair }, "HighAvailibility is not known"],
  [{ HighAvailability: null }, "(CWLNA0137)"],
  [{ ClusterMembership: [] }, "(CWLNA0127)"],
])("settings %j are no objects that can be sent", (settings, text) => {
  expect(settingsMistakes(settings)).toMatchObject([expect.stringContaining(text)]);
});

test("the documentation's CertificatesRequired is sent as RequireCertificates, with a note", () => {
  const settings = { ClusterMembership: { ...cluster, CertificatesRequired: false } };
  expect(settingsMistakes(settings)).toEqual([]);
  expect(objectsOf(settings).ClusterMembership).toEqual({ ...cluster, RequireCertificates: false });
  expect(settingsNotes(settings)).toMatchObject([
    expect.stringContaining("is sent as RequireCertificates"),
    expect.stringContaining("has no effect on the control channel"),
  ]);
});

test("what a setting does not do, or leaves open, is said", () => {
  const notes = (settings: object): string[] =>
    settingsNotes({ HighAvailability: { ...pair, ...settings } });
  expect(notes({})).toEqual([]);
  expect(notes({ RequireCertificates: true })).toEqual([]);
  expect(notes({ RequireCertificates: false })).toMatchObject([expect.stringContaining("ignored")]);
  expect(notes({ UseSecuredConnections: false })).toMatchObject([
    expect.stringContaining("private keys in clear"),
  ]);
  expect(notes({ LocalDiscoveryNIC: pair.LocalReplicationNIC })).toMatchObject([
    expect.stringContaining("HA.AllowSingleNIC"),
  ]);
  expect(settingsNotes({ ClusterMembership: { ...cluster, MessagingUseTLS: false } })).toHaveLength(
    1,
  );
});
