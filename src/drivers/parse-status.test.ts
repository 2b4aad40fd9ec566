import { expect, test } from "vitest";
import type { StatusDescription } from "./description.ts";
import { jsonPathProblem, parseStatus } from "./parse-status.ts";

const from = { run: ["status"] };

test("a status is read from JSON, a list as the number of its entries", () => {
  const description: StatusDescription = {
    from,
    role: { in: { json: "$.nodes[1].state" }, active: "leader", standby: "follower" },
    members: { json: "$.nodes" },
    connected: { json: "$.peers.up" },
    synchronised: { in: { json: "$.insync" }, is: "true" },
  };
  const answer = { nodes: [{}, { state: "leader" }], peers: { up: 1 }, insync: true };
  expect(parseStatus(JSON.stringify(answer), description)).toEqual({
    role: "active",
    members: 2,
    connected: 1,
    synchronised: true,
  });
  const other = { ...answer, nodes: [{}, { state: "candidate" }], insync: false };
  expect(parseStatus(JSON.stringify(other), description)).toMatchObject({
    role: "unknown",
    synchronised: false,
  });
});

test("a status is read from lines of text, and what its driver does not read is null", () => {
  const description: StatusDescription = {
    from,
    role: { in: { match: String.raw`^role:(\w+)` }, active: "master", standby: "slave" },
    connected: { count: "^slave\\d+:.*state=online" },
  };
  const answer = "role:master\nslave0:ip=x,state=online\nslave1:ip=y,state=wait_bgsave\n";
  expect(parseStatus(answer, description)).toEqual({
    role: "active",
    members: null,
    connected: 1,
    synchronised: null,
  });
});

test.each<[string, StatusDescription["members"]]>([
  ["{", { json: "$.a" }],
  ["{}", { json: "$.a" }],
  ['{"a":"many"}', { json: "$.a" }],
  ["nothing", { match: "members=(\\d+)" }],
])("the answer %s is refused where its form is another", (answer, members) => {
  expect(() => parseStatus(answer, { from, ...(members && { members }) })).toThrow(
    expect.objectContaining({ code: "invalid-input" }),
  );
});

test("a path into JSON is names and numbers only", () => {
  expect(["$", "$.a", "$.a[0].b-c"].map(jsonPathProblem)).toEqual([null, null, null]);
  for (const path of ["a", "$.", "$..a", "$[*]", "$['a']"])
    expect(jsonPathProblem(path)).not.toBeNull();
});
