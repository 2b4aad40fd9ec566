import { expect, test } from "vitest";
import { statusText } from "./node.ts";

const status = {
  host: "host-2",
  process: "nodemanager-2",
  pid: 7,
  connected: true,
  refusal: null,
  admin: { id: "nodemanager-1", address: "10.0.0.1", port: 8090 },
  epoch: 3,
  instances: [],
};

test("the status of a Node Manager names the Admin Node Manager that answers it", () => {
  const head = "Node Manager nodemanager-2 on host-2 runs as process 7, trust epoch 3,";
  expect(statusText(status)).toBe(
    `${head} connected to Admin Node Manager nodemanager-1 at 10.0.0.1:8090.`,
  );
  expect(statusText({ ...status, connected: false, refusal: "host-2 was deleted" })).toContain(
    "without an Admin Node Manager (host-2 was deleted).",
  );
  expect(statusText({ ...status, connected: false })).toBe(
    `${head} without an Admin Node Manager.`,
  );
});
