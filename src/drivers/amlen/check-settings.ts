import { isIP } from "node:net";
import {
  objectNames,
  properties,
  withDefaults,
  type ObjectName,
  type Property,
} from "./properties.ts";

type Settings = Readonly<Record<string, unknown>>;
type Objects = Readonly<Partial<Record<ObjectName, Settings>>>;

/** Names that the documentation uses, and the property that the server knows. */
const translated: Readonly<Record<string, string>> = {
  CertificatesRequired: "RequireCertificates",
};

/** The objects that are sent: names of the documentation translated. Only for settings without a mistake. */
export function objectsOf(settings: Settings): Objects {
  return Object.fromEntries(
    Object.entries(settings).map(([name, object]) => [name, translate(object as Settings)]),
  );
}

function translate(object: Settings): Settings {
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [translated[key] ?? key, value]),
  );
}

/**
 * Every mistake in the objects HighAvailability and ClusterMembership: what Amlen would refuse, and
 * with which code, and what it would accept and stop over later. `stored` is what the server has
 * already: a part of an object is merged with it.
 */
export function settingsMistakes(settings: Settings, stored: Objects = {}): string[] {
  return Object.entries(settings).flatMap(([name, object]) => {
    if (!isObjectName(name))
      return [`${name} is not known: there may be ${objectNames.join(" and ")}`];
    if (typeof object !== "object" || object === null || Array.isArray(object))
      return [`${name} must be an object (CWLNA${object === null ? "0137" : "0127"})`];
    const given = translate(object as Settings);
    const wrong = [
      ...twice(name, object as Settings),
      ...Object.entries(given).flatMap(([key, value]) => propertyMistakes(name, key, value)),
    ];
    if (wrong.length > 0) return wrong;
    const whole = withDefaults(name, { ...stored[name], ...given });
    return rules[name].flatMap((rule) => rule(whole) ?? []).map((text) => `${name}.${text}`);
  });
}

function isObjectName(name: string): name is ObjectName {
  return Object.hasOwn(properties, name);
}

function twice(name: ObjectName, object: Settings): string[] {
  return Object.entries(translated)
    .filter(([from, to]) => Object.hasOwn(object, from) && Object.hasOwn(object, to))
    .map(([from, to]) => `${name}.${from} is ${to}, which is there, too: remove ${from}`);
}

function propertyMistakes(name: ObjectName, key: string, value: unknown): string[] {
  const property = Object.hasOwn(properties[name], key) ? properties[name][key] : undefined;
  if (property === undefined) return [`${name}.${key} is not known (CWLNA0138): remove it`];
  if (value === null && property.default === null) return [];
  const shown = JSON.stringify(value)?.slice(0, 80);
  if (typeof value !== jsonType[property.type])
    return [`${name}.${key} must be ${formText(property)}, not ${shown} (CWLNA0127)`];
  return isOfForm(property, value as never)
    ? []
    : [`${name}.${key} must be ${formText(property)}, not ${shown} (CWLNA0112)`];
}

const jsonType = {
  boolean: "boolean",
  text: "string",
  "one of": "string",
  number: "number",
  address: "string",
} as const satisfies Record<Property["type"], string>;

function isOfForm(property: Property, value: never): boolean {
  switch (property.type) {
    case "boolean":
      return true;
    case "text": {
      const text: string = value;
      return text.length <= property.lengthMax && property.form?.pattern.test(text) !== false;
    }
    case "one of":
      return property.values.includes(value);
    case "address":
      return isIP(value) !== 0;
    case "number": {
      const { min, max, orZero = false } = property;
      const isInRange = value >= min && value <= max;
      return Number.isInteger(value) && (isInRange || (orZero && value === 0));
    }
  }
}

function formText(property: Property): string {
  switch (property.type) {
    case "boolean":
      return "true or false";
    case "text":
      return `${property.form?.text ?? "a text"} of at most ${property.lengthMax} characters`;
    case "one of":
      return property.values.join(" or ");
    case "address":
      return "an IP address";
    case "number":
      return `a whole number from ${property.min} to ${property.max}${property.orZero === true ? ", or 0" : ""}`;
  }
}

type Rule = (object: Settings) => string | undefined;

/** Rules between the properties of an object, over its defaults. */
const rules: Readonly<Record<ObjectName, readonly Rule[]>> = {
  HighAvailability: [
    whileEnabled("EnableHA", "Group", "name the pair, the same on both members (CWLNA0112)"),
    ...["RemoteDiscoveryNIC", "LocalReplicationNIC", "LocalDiscoveryNIC"].map((nic) =>
      whileEnabled("EnableHA", nic, "give a host name or address (CWLNA0134)"),
    ),
    ({ ReplicationPort, ExternalReplicationPort }) =>
      ExternalReplicationPort !== 0 && ReplicationPort === 0
        ? "ExternalReplicationPort needs a ReplicationPort: give it, or write 0 (CWLNA0112)"
        : undefined,
    ({ EnableHA, LocalReplicationNIC }) =>
      EnableHA === true && ["127.0.0.1", "::1", "localhost"].includes(String(LocalReplicationNIC))
        ? "LocalReplicationNIC must not be the loopback: give an address of this host's network (509, 510)"
        : undefined,
  ],
  ClusterMembership: [
    whileEnabled("EnableClusterMembership", "ClusterName", "name the cluster (CWLNA0134)"),
    whileEnabled(
      "EnableClusterMembership",
      "ControlAddress",
      "give this host's address (CWLNA0134)",
    ),
    ({ EnableClusterMembership, UseMulticastDiscovery, DiscoveryServerList }) =>
      EnableClusterMembership === true &&
      UseMulticastDiscovery === false &&
      (DiscoveryServerList ?? "") === ""
        ? "DiscoveryServerList is missing: without multicast, list the members as 10.0.1.5:9104,10.0.1.4:9104 (CWLNA0134)"
        : undefined,
    ({ DiscoveryServerList }) =>
      serverListProblem(String(DiscoveryServerList ?? "")) ? serverListText : undefined,
    ({ ControlPort, ControlAddress, MessagingPort, MessagingAddress }) =>
      ControlPort === MessagingPort && (MessagingAddress ?? ControlAddress) === ControlAddress
        ? "MessagingPort is ControlPort: give each a port of its own"
        : undefined,
  ],
};

function whileEnabled(flag: string, key: string, what: string): Rule {
  return (object) =>
    object[flag] === true && (object[key] ?? "") === ""
      ? `${key} is missing while ${flag} is true: ${what}`
      : undefined;
}

const serverListText =
  "DiscoveryServerList needs addresses with ports, as 10.0.1.5:9104,[fd00::4]:9104, no host names (CWLNA0134)";

function serverListProblem(list: string): boolean {
  const entries = list.split(",").map((each) => each.trim());
  return entries
    .filter((each) => each !== "")
    .some((entry) => {
      const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(entry) ?? [];
      const isAddress = v6 === undefined ? isIP(v4 ?? "") === 4 : isIP(v6) === 6;
      return !isAddress || Number(port) < 1 || Number(port) > 65_535;
    });
}

/** What is to be known of settings that have no mistake; one line each. */
export function settingsNotes(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, given]) => {
    if (!isObjectName(name) || typeof given !== "object" || given === null) return [];
    const object = withDefaults(name, translate(given as Settings));
    const notes = Object.hasOwn(given, "CertificatesRequired")
      ? [
          `${name}.CertificatesRequired is sent as RequireCertificates: the documentation's name is not one that Amlen knows`,
        ]
      : [];
    return [...notes, ...(name === "HighAvailability" ? pairNotes(object) : clusterNotes(object))];
  });
}

function pairNotes(object: Settings): string[] {
  return [
    ...(object["RequireCertificates"] === false
      ? [
          "HighAvailability.RequireCertificates is ignored once a member has credentials of its own, as Gatehouse gives it: certificates are required then",
        ]
      : []),
    ...(object["EnableHA"] === true && object["UseSecuredConnections"] === false
      ? [
          "HighAvailability.UseSecuredConnections is false: the pair speaks without TLS, and the standby is sent the private keys in clear",
        ]
      : []),
    ...(object["EnableHA"] === true && object["LocalDiscoveryNIC"] === object["LocalReplicationNIC"]
      ? [
          "HighAvailability.LocalDiscoveryNIC is LocalReplicationNIC: Amlen stops (515) unless server.cfg has HA.AllowSingleNIC = 1",
        ]
      : []),
  ];
}

function clusterNotes(object: Settings): string[] {
  return [
    ...(object["RequireCertificates"] === false
      ? [
          "ClusterMembership.RequireCertificates has no effect on the control channel, which requires certificates always, and is ignored for messaging once a member has credentials of its own",
        ]
      : []),
    ...(object["EnableClusterMembership"] === true && object["MessagingUseTLS"] === false
      ? ["ClusterMembership.MessagingUseTLS is false: messages between members are not encrypted"]
      : []),
  ];
}
