import { describe, expect, test } from "vitest";
import { routes, type RouteDefinition, type RouteName } from "../../../src/contract/index.ts";
import { isDomainError } from "../../../src/kit/index.ts";
import { callApi } from "../../../src/transport/index.ts";
import { adminPassword, startAdmin, type AdminProcess } from "../../support/admin-process.ts";

/** Routes that answer without authorisation. The list may only get shorter. */
const withoutAuthorisation: readonly RouteName[] = [
  "getTrust",
  "logIn",
  "joinHost",
  "getReturnNonce",
  "returnHost",
  // A restored store knows neither the newest keys of hosts nor is its own known to them: a question
  // that the domain signs, and an answer on proof of the last key.
  "getRestoration",
  "presentTrust",
];

const all = Object.entries(routes) as [RouteName, RouteDefinition][];
const params = { id: "nothing" };

/** The code of the refusal of a call with these headers, or `answered`. */
async function outcome(
  admin: AdminProcess,
  name: RouteName,
  headers: Record<string, string>,
): Promise<string> {
  try {
    await admin.caller.call(routes[name], { params, headers });
    return "answered";
  } catch (error) {
    return isDomainError(error) ? error.code : "broken";
  }
}

async function bearers(
  admin: AdminProcess,
): Promise<Record<"operator" | "relying-party", { authorization: string }>> {
  const reader = await callApi(admin.caller, "logIn", {
    body: { username: "reader", password: adminPassword },
  });
  const party = await callApi(admin.caller, "createRelyingParty", {
    body: { name: "party" },
    headers: admin.administrator,
  });
  return {
    operator: { authorization: `Bearer ${reader.token}` },
    "relying-party": { authorization: `Bearer ${party.token}` },
  };
}

describe("every route", () => {
  test("is refused without authorisation, but for a list that only shrinks", async () => {
    const admin = await startAdmin();
    const open: RouteName[] = [];
    for (const [name] of all) {
      const code = await outcome(admin, name, {});
      if (code !== "unauthenticated") open.push(name);
    }
    expect(open.toSorted()).toEqual(withoutAuthorisation.toSorted());
  });

  test("is refused to a token that is not one, and to one whose session has ended", async () => {
    const admin = await startAdmin();
    const ended = await callApi(admin.caller, "logIn", {
      body: { username: "reader", password: adminPassword },
    });
    const headers = { authorization: `Bearer ${ended.token}` };
    await callApi(admin.caller, "logOut", { headers });
    const guarded = all.filter(
      ([, route]) => route.access === "operator" || route.access === "administrator",
    );
    for (const [name] of guarded) {
      expect([name, await outcome(admin, name, headers)]).toEqual([name, "unauthenticated"]);
      expect([
        name,
        await outcome(admin, name, { authorization: `Bearer ${"0".repeat(64)}` }),
      ]).toEqual([name, "unauthenticated"]);
    }
  });

  test("is refused to a caller with too little", async () => {
    const admin = await startAdmin();
    const { operator, "relying-party": party } = await bearers(admin);
    for (const [name, { access }] of all) {
      if (access === "administrator")
        expect([name, await outcome(admin, name, operator)]).toEqual([name, "forbidden"]);
      if (access === "administrator" || access === "operator")
        expect([name, await outcome(admin, name, party)]).toEqual([name, "forbidden"]);
      if (access === "relying-party")
        expect([name, await outcome(admin, name, admin.administrator)]).toEqual([
          name,
          "forbidden",
        ]);
      if (access === "agent" || access === "anm")
        expect([name, await outcome(admin, name, admin.administrator)]).toEqual([
          name,
          "unauthenticated",
        ]);
    }
  });

  test("answers the caller that it is for", async () => {
    const admin = await startAdmin();
    const { operator } = await bearers(admin);
    for (const name of [
      "getTopology",
      "listCredentials",
      "listAuthorities",
      "listFindings",
      "listRollouts",
      "verifyAudit",
    ] as const) {
      expect([name, await outcome(admin, name, operator)]).toEqual([name, "answered"]);
    }
  });
});

describe("the API", () => {
  test("describes every route in OpenAPI 3.1, from the schemas that validate it", async () => {
    const admin = await startAdmin();
    const document = (await admin.caller.call({ ...routes.getTrust, path: "/openapi.json" })) as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    expect(document.openapi).toMatch(/^3\.1\./);
    const described = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map((operation) => operation.operationId),
    );
    expect(described.toSorted()).toEqual(Object.keys(routes).toSorted());
  });

  test("gives the same write with the same idempotency key the same answer, and refuses another one", async () => {
    const admin = await startAdmin();
    const headers = { ...admin.administrator, "idempotency-key": "k1" };
    const create = (name: string) =>
      callApi(admin.caller, "createInstance", {
        headers,
        body: { name, group: "g", hostId: "host-1" as never },
      });
    const first = await create("a");
    expect(await create("a")).toEqual(first);
    await expect(create("b")).rejects.toMatchObject({ code: "conflict" });
    const { groups } = await callApi(admin.caller, "getTopology", { headers: admin.administrator });
    expect(groups.flatMap((group) => group.instances)).toHaveLength(1);
  });

  test("names what is wrong with a body in one line, as a problem document", async () => {
    const admin = await startAdmin();
    const wrong = callApi(admin.caller, "createInstance", {
      headers: admin.administrator,
      body: { name: "a", group: "g", hostId: "host-1" as never, servicesPort: 0 },
    });
    await expect(wrong).rejects.toMatchObject({
      code: "invalid-input",
      message: "the request is refused: servicesPort must be a whole number from 1 to 65535",
    });
  });

  test("limits how often a password, a token or a proof may be tried", async () => {
    const admin = await startAdmin();
    const limited = all.filter(([, route]) => route.callsPerMinuteMax !== undefined);
    expect(limited.map(([name]) => name)).toEqual([
      "logIn",
      "joinHost",
      "getReturnNonce",
      "returnHost",
      "changeGroupPassphrase",
      "unlockKeys",
      "importKey",
      "getRestoration",
      "presentTrust",
    ]);
    for (const [name, { access, callsPerMinuteMax = 0 }] of limited) {
      const codes: string[] = [];
      const headers = access === "public" ? {} : admin.administrator;
      for (let i = 0; i <= callsPerMinuteMax; i++) codes.push(await outcome(admin, name, headers));
      expect([name, codes.at(-1)]).toEqual([name, "rate-limited"]);
      expect([name, codes[0]]).toEqual([name, "invalid-input"]);
    }
  });
});
