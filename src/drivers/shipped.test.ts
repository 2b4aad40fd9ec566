import { expect, test } from "vitest";
import { shippedDriver, shippedDrivers } from "./shipped.ts";

test("every description that comes with Gatehouse is read, under the name of its file", async () => {
  const names = await shippedDrivers();
  expect(names).toEqual(expect.arrayContaining(["haproxy", "nginx", "stunnel"]));
  for (const name of names) expect((await shippedDriver(name)).name).toBe(name);
});

test("a driver that does not come with Gatehouse is answered with those that do", async () => {
  await expect(shippedDriver("../package")).rejects.toMatchObject({
    code: "not-found",
    message: expect.stringContaining("haproxy, mosquitto, nats, nginx, stunnel") as string,
  });
});
