import { expect, test } from "vitest";
import { memberOf } from "../../test/support/member.ts";
import type { Description } from "./description.ts";
import { serverOf } from "./server.ts";

const description: Description = {
  name: "sample",
  folder: "/nowhere",
  visible: "link",
  files: [],
  reload: { run: ["true"] },
  restart: { run: ["false"] },
  served: [],
  trust: { overlap: true, takesEffect: "restart" },
};

test("a supervised member is restarted by its Node Manager, not as its description says", async () => {
  let restarts = 0;
  const restart = async (): Promise<void> => void (restarts += 1);
  const supervised = serverOf({ ...memberOf(description), restart });
  await supervised.takeEffect(false);
  expect(restarts).toBe(0);
  await supervised.takeEffect(true);
  expect(restarts).toBe(1);
  await expect(serverOf(memberOf(description)).takeEffect(true)).rejects.toMatchObject({
    code: "generation-refused",
  });
});
