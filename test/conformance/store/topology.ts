import { expect, test } from "vitest";
import type { GroupId, RelyingPartyId, ServiceId } from "../../../src/kit/index.ts";
import type {
  Domain,
  Group,
  Instance,
  Member,
  RelyingParty,
  Service,
} from "../../../src/domain/index.ts";
import { entry, host, hostId, processId } from "./examples.ts";
import { openStore, type StoreHarness } from "./harness.ts";

const domain: Domain = { id: "4f1c", name: "first", createdAtMs: 1, trustSigningKey: "cc" };
const group: Group = {
  id: "group-1" as GroupId,
  name: "g",
  configuration: { routes: [], dnsNames: ["a.example"] },
};
const instance: Instance = {
  id: processId("instance-1"),
  name: "i",
  groupId: group.id,
  hostId: hostId(1),
  managementPort: 1,
  servicesPort: 2,
  enabled: true,
  tags: { a: "b" },
};
const party: RelyingParty = { id: "relying-party-1" as RelyingPartyId, name: "p", createdAtMs: 1 };

const service: Service = {
  id: "service-1" as ServiceId,
  name: "s",
  shape: "pair",
  driver: {
    name: "d",
    traits: {
      overlap: true,
      keyBy: "reload",
      trustBy: "restart",
      verifiesPeers: true,
      roles: "driver",
      evidence: "handshake",
      copiesCredentials: false,
      countsCalls: true,
      backWithinSeconds: 60,
    },
    description: { name: "d" },
  },
  supervised: true,
  maxUnavailable: 1,
  dnsNames: [],
  active: { member: processId("member-1"), by: "promotion" },
};
const member: Member = {
  id: processId("member-1"),
  name: "m",
  serviceId: service.id,
  hostId: hostId(1),
  variables: { port: 1 },
  dnsNames: ["m.example"],
  pair: null,
  enabled: true,
  trusts: [],
};

export function topologyTests(harness: StoreHarness): void {
  test("topology throws home-missing when the store holds no domain", async () => {
    const store = await openStore(harness);
    await expect(store.read((view) => view.topology.domain())).rejects.toMatchObject({
      code: "home-missing",
    });
    await expect(store.read((view) => view.topology.whole())).rejects.toMatchObject({
      code: "home-missing",
    });
    expect(await store.read((view) => view.topology.host(hostId(1)))).toBeUndefined();
  });

  test("topology gives back what was put, and replaces it by id", async () => {
    const store = await openStore(harness);
    await store.write(entry, async (tx) => {
      await tx.topology.putDomain({ ...domain, name: "zero" });
      await tx.topology.putDomain(domain);
      for (const n of [10, 2, 1]) await tx.topology.putHost(host(n));
      await tx.topology.putHost(host(2, { name: "renamed", documentVersion: 7 }));
      await tx.topology.putGroup(group);
      await tx.topology.putInstance(instance);
      await tx.topology.putInstance({
        ...instance,
        id: processId("instance-2"),
        hostId: hostId(2),
      });
      await tx.topology.putRelyingParty(party);
      await tx.topology.putService(service);
      await tx.topology.putMember({ ...member, enabled: false });
      await tx.topology.putMember(member);
      expect(await tx.topology.host(hostId(2))).toEqual(
        host(2, { name: "renamed", documentVersion: 7 }),
      );
    });
    const whole = await store.read((view) => view.topology.whole());
    expect(whole).toEqual({
      domain,
      hosts: [host(1), host(2, { name: "renamed", documentVersion: 7 }), host(10)],
      groups: [group],
      instances: [instance, { ...instance, id: "instance-2", hostId: "host-2" }],
      relyingParties: [party],
      services: [service],
      members: [member],
    });
    await store.read(async (view) => {
      expect(await view.topology.domain()).toEqual(whole.domain);
      expect(await view.topology.hosts()).toEqual(whole.hosts);
      expect(await view.topology.groups()).toEqual(whole.groups);
      expect(await view.topology.instances()).toEqual(whole.instances);
      expect(await view.topology.instances(hostId(1))).toEqual([instance]);
      expect(await view.topology.relyingParties()).toEqual(whole.relyingParties);
      expect(await view.topology.services()).toEqual(whole.services);
      expect(await view.topology.members()).toEqual(whole.members);
    });
  });

  test("topology removes what is there and ignores what is not", async () => {
    const store = await openStore(harness);
    await store.write(entry, async (tx) => {
      await tx.topology.putHost(host(1));
      await tx.topology.putGroup(group);
      await tx.topology.putInstance(instance);
      await tx.topology.putRelyingParty(party);
      await tx.topology.putService(service);
      await tx.topology.putMember(member);
    });
    const before = await store.revision();
    await store.write(entry, async (tx) => {
      await tx.topology.removeHost(hostId(9));
      await tx.topology.removeGroup("group-9" as GroupId);
      await tx.topology.removeInstance(processId("instance-9"));
      await tx.topology.removeRelyingParty("relying-party-9" as RelyingPartyId);
      await tx.topology.removeService("service-9" as ServiceId);
      await tx.topology.removeMember(processId("member-9"));
    });
    expect(await store.revision()).toBe(before);
    await store.write(entry, async (tx) => {
      await tx.topology.removeInstance(instance.id);
      await tx.topology.removeMember(member.id);
      await tx.topology.removeService(service.id);
      await tx.topology.removeRelyingParty(party.id);
      await tx.topology.removeGroup(group.id);
      await tx.topology.removeHost(hostId(1));
    });
    expect(await store.revision()).toBe(before + 1);
    await store.read(async (view) => {
      expect(await view.topology.hosts()).toEqual([]);
      expect(await view.topology.groups()).toEqual([]);
      expect(await view.topology.instances()).toEqual([]);
      expect(await view.topology.relyingParties()).toEqual([]);
      expect(await view.topology.services()).toEqual([]);
      expect(await view.topology.members()).toEqual([]);
    });
  });

  test("numbers are given once per kind when asked for again, also after what had them is gone", async () => {
    const place = await harness.place();
    const store = await openStore(harness, place);
    const next = (kind: "host" | "instance", first: number): Promise<number> =>
      store.write(entry, (tx) => tx.topology.nextNumber(kind, first));
    expect([
      await next("host", 1),
      await next("host", 1),
      await next("instance", 5),
      await next("host", 1),
    ]).toEqual([1, 2, 5, 3]);
    expect(await next("host", 10)).toBe(10);
    await store.close();
    const again = await openStore(harness, place);
    expect(await again.write(entry, (tx) => tx.topology.nextNumber("host", 1))).toBe(11);
    const many = await Promise.all(
      Array.from({ length: 40 }, () =>
        again.write(entry, (tx) => tx.topology.nextNumber("host", 1)),
      ),
    );
    expect(many.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => 12 + i));
  });

  test("the document version of a host rises by one outside the feed", async () => {
    const store = await openStore(harness);
    await store.write(entry, (tx) => tx.topology.putHost(host(1)));
    const revision = await store.revision();
    expect(await store.write(entry, (tx) => tx.topology.raiseDocumentVersion(hostId(1)))).toBe(2);
    expect(await store.read((view) => view.topology.host(hostId(1)))).toMatchObject({
      documentVersion: 2,
    });
    expect(await store.revision()).toBe(revision);
    await expect(
      store.note((tx) => tx.topology.raiseDocumentVersion(hostId(9))),
    ).rejects.toMatchObject({ code: "not-found" });
  });
}
