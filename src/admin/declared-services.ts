import type { Declaration } from "../contract/index.ts";
import type { ServiceDeclaration } from "../control/index.ts";
import type { ServiceDriver } from "../domain/index.ts";
import {
  checkDescription,
  resolveValues,
  shippedDriver,
  traitsOf,
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

async function declaredService(declared: Declared): Promise<ServiceDeclaration> {
  const { name, shape, supervised = false, maxUnavailable = 1, dnsNames = [] } = declared;
  const description = await driverOf(declared);
  const members = declared.members.map((member) => ({
    name: member.name,
    host: member.host,
    variables: { ...declared.variables, ...member.variables },
    dnsNames: member.dnsNames ?? [],
    pair: member.pair ?? null,
    enabled: member.enabled ?? true,
  }));
  for (const { name: member, variables } of members)
    resolveValues(description, variables, `member ${member} of service ${name}`);
  return {
    name,
    shape,
    driver: driverFrom(description),
    supervised,
    maxUnavailable,
    dnsNames,
    members,
    foundCaPem: declared.foundCa ?? null,
  };
}

async function driverOf({ driver, name }: Declared): Promise<Description> {
  if (typeof driver === "string") return shippedDriver(driver);
  return checkDescription(driver, `the driver of service ${name}`);
}

function driverFrom(description: Description): ServiceDriver {
  return { name: description.name, traits: traitsOf(description), description };
}
