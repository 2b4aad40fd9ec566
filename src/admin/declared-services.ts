import type { Declaration } from "../contract/index.ts";
import type { ServiceDeclaration } from "../control/index.ts";
import { DomainError } from "../kit/index.ts";
import type { ServiceDriver } from "../domain/index.ts";
import {
  checkDescription,
  resolveValues,
  shippedDriver,
  traitsOf,
  valueMistakes,
  valueNotes,
  type Description,
} from "../drivers/index.ts";

type Declared = Declaration["services"][number];

/**
 * Reads the drivers of declared services, and checks every member's values by them: nothing is
 * written for a declaration with a mistake. Throws `not-found` for a driver, `invalid-input` that
 * names service, member and value.
 */
export function declaredServices({ services }: Declaration): Promise<ServiceDeclaration[]> {
  return Promise.all(services.map(declaredService));
}

/** What the driver of a service has to say of its settings though none is wrong, member by member. */
export function notesOn({ driver, members }: ServiceDeclaration): string[] {
  const description = checkDescription(driver.description, `the driver ${driver.name}`);
  return members.flatMap(({ name, settings }) =>
    settings === undefined
      ? []
      : valueNotes({ description, settings }).map((note) => `${name}: ${note}`),
  );
}

async function declaredService(declared: Declared): Promise<ServiceDeclaration> {
  const { name, shape, supervised = false, maxUnavailable = 1, dnsNames = [] } = declared;
  const description = await driverOf(declared);
  const members = declared.members.map((member) => ({
    name: member.name,
    host: member.host,
    variables: { ...declared.variables, ...member.variables },
    ...settingsOf(declared, member),
    dnsNames: member.dnsNames ?? [],
    pair: member.pair ?? null,
    enabled: member.enabled ?? true,
  }));
  checkValues(description, name, members);
  return {
    name,
    shape,
    driver: driverFrom(description),
    supervised,
    maxUnavailable,
    dnsNames,
    members,
    foundCaPem: declared.foundCa ?? null,
    isBuiltIn: declared.builtIn === true,
  };
}

/** Those of the service, with the member's own properties before them. */
function settingsOf(
  service: Declared,
  member: Declared["members"][number],
): Pick<ServiceDeclaration["members"][number], "settings"> {
  const names = new Set([service, member].flatMap(({ settings }) => Object.keys(settings ?? {})));
  if (names.size === 0) return {};
  const entries = [...names].map((name) => [
    name,
    { ...service.settings?.[name], ...member.settings?.[name] },
  ]);
  return { settings: Object.fromEntries(entries) as Readonly<Record<string, unknown>> };
}

async function driverOf({ driver, name }: Declared): Promise<Description> {
  if (typeof driver === "string") return shippedDriver(driver);
  return checkDescription(driver, `the driver of service ${name}`);
}

function driverFrom(description: Description): ServiceDriver {
  return { name: description.name, traits: traitsOf(description), description };
}

/** Refuses values that the driver cannot use, before anything is called or written. */
function checkValues(
  description: Description,
  service: string,
  members: readonly Pick<
    ServiceDeclaration["members"][number],
    "name" | "pair" | "variables" | "settings"
  >[],
): void {
  const resolved = members.map(({ name, pair, variables, settings }) => ({
    name,
    settings,
    pair,
    address: "",
    values: resolveValues(description, variables, `member ${name} of service ${service}`),
  }));
  for (const member of resolved) {
    const others = resolved.filter((other) => other !== member);
    const [mistake] = valueMistakes({
      description,
      values: member.values,
      ...(member.settings === undefined ? {} : { settings: member.settings }),
      others,
    });
    if (mistake !== undefined)
      throw new DomainError(
        "invalid-input",
        `member ${member.name} of service ${service} is refused: ${mistake}`,
      );
  }
}
