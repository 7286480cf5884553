// Keeps the authenticator's page for a time without a network, and shows that something waits.
"use strict";
const CACHE = "authenticator-1", PAGE = "/authenticator", TEXT = "/authenticator/notification";

// The page, and what it names of our assets: each has a name of its own for each content, so it never grows old.
const keepPage = async (reply) => {
  const cache = await caches.open(CACHE);
  const text = await reply.clone().text();
  const assets = [...text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path);
  await cache.addAll(assets);
  await cache.put(PAGE, reply);
  const wanted = new Set([PAGE, TEXT, ...assets]);
  for (const { url } of await cache.keys()) if (!wanted.has(new URL(url).pathname)) await cache.delete(url);
};

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(fetch(PAGE).then((reply) => reply.ok && keepPage(reply)));
});
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const { request } = event, { origin, pathname } = new URL(request.url);
  if (origin !== location.origin || request.method !== "GET") return;
  if (request.mode === "navigate" && pathname === PAGE) {
    event.respondWith(fetch(request).then((reply) => {
      if (reply.ok) event.waitUntil(keepPage(reply.clone()));
      return reply;
    }).catch(() => caches.match(PAGE, { ignoreSearch: true })));
  } else if (pathname.startsWith("/assets/")) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  }
});

// The page sends the words of notifications: a worker has no page to read them from.
addEventListener("message", ({ data }) => {
  if (data?.notification) caches.open(CACHE).then((cache) => cache.put(TEXT, new Response(data.notification)));
});

// A push says nothing but that something waits. What it is the app asks for, signed, when it is opened.
addEventListener("push", (event) => event.waitUntil((async () => {
  for (const client of await clients.matchAll({ type: "window" })) client.postMessage("look");
  const text = await (await caches.match(TEXT))?.text() ?? "A sign-in request is waiting";
  await registration.showNotification(text, { tag: "request", requireInteraction: true, renotify: true });
})()));
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil((async () => {
    const open = (await clients.matchAll({ type: "window" })).find(({ url }) => new URL(url).pathname === PAGE);
    await (open ? open.focus() : clients.openWindow(PAGE));
  })());
});
