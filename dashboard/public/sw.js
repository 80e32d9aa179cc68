// Keeps the page's own files, so that it opens without a network and says that there is none. Never data, tokens or
// configuration: those have to be true, or absent.
const FILES = "tickwire-files-1";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(FILES).then((files) => files.add("/")));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name !== FILES) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  // The newest page if there is one: it names the files that go with it.
  if (request.mode === "navigate" && url.pathname === "/") event.respondWith(newest(request));
  // Files that have their content in their names never change.
  else if (url.pathname.startsWith("/assets/")) event.respondWith(kept(request));
});

async function newest(request) {
  const files = await caches.open(FILES);
  try {
    const reply = await fetch(request);
    if (reply.ok) await files.put("/", reply.clone());
    return reply;
  } catch {
    return (await files.match("/")) ?? Response.error();
  }
}

async function kept(request) {
  const files = await caches.open(FILES);
  const known = await files.match(request);
  if (known !== undefined) return known;
  const reply = await fetch(request);
  if (reply.ok) {
    // What an older page had is of no use to a new one; a few versions at most stay.
    const names = await files.keys();
    if (names.length > 40) await Promise.all(names.filter((name) => new URL(name.url).pathname.startsWith("/assets/")).map((name) => files.delete(name)));
    await files.put(request, reply.clone());
  }
  return reply;
}
