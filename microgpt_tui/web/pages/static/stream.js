// The stream of frames: over a websocket, or one by one where a proxy lets none through. It never gives up.
const SILENT = 8000; // ms without a sign of life until the connection counts as lost
const HEARD = 15000; // ms between two signs of life of a page that asks for frames one by one
const REST = [300, 1000, 2000, 4000]; // ms until the next attempt; a part of them by chance, or all came at once

const pause = (ms) => new Promise((go) => setTimeout(go, ms));

const address = (name) => {
  const url = new URL(name, window.location.href);
  url.protocol = window.location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
};

const inflated = async (bytes) => {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
};

export const follow = async ({ frame, joined, lost, full }) => {
  let session = null;
  let version = 0;
  let heard = 0; // when the last frame came
  let noPlace = false;
  let away = true; // whether something may have been missed since the last frame

  const take = (difference) => {
    heard = performance.now();
    if (difference.session === session && difference.version <= version) return;
    const joins = away || difference.session !== session;
    away = false;
    ({ session, version } = difference);
    frame(difference);
    if (joins) joined();
  };

  // Ends when the connection does; says whether a frame has come.
  const overSocket = () =>
    new Promise((done) => {
      if (typeof DecompressionStream === "undefined") return done(false);
      const socket = new WebSocket(address(`stream?session=${session ?? ""}&after=${version}`));
      socket.binaryType = "arraybuffer";
      heard = performance.now();
      let any = false;
      let queue = Promise.resolve();
      const end = () => {
        clearInterval(watch);
        socket.onmessage = socket.onclose = null;
        socket.close();
        done(any);
      };
      const watch = setInterval(() => performance.now() - heard > SILENT && end(), 500);
      socket.onclose = end;
      socket.onmessage = ({ data }) => {
        heard = performance.now();
        any = true;
        queue = queue.then(() => inflated(data)).then(take).catch(end);
      };
    });

  const get = async (name, options = {}) => {
    const answer = await fetch(name, { signal: AbortSignal.timeout(SILENT), ...options });
    if (answer.status === 401 || answer.status === 403) window.location.reload(); // for the form
    noPlace = answer.status === 503;
    return answer;
  };

  // One by one; ends when something fails.
  const overRequests = async () => {
    let present = 0;
    while (true) {
      if (performance.now() - present > HEARD || !present) {
        if (!(await get("answer?present", { cache: "no-store" })).ok) return;
        present = performance.now();
      }
      if (session === null) {
        const named = (await (await get("session", { cache: "no-store" })).json()).session;
        const answer = await get(`frames/${named}/0`);
        if (!answer.ok) return;
        take(await answer.json());
      }
      const answer = await get(`frames/${session}/${version}`);
      if (answer.status === 410) session = null;
      else if (!answer.ok) return;
      else take(await answer.json());
    }
  };

  for (let failures = 0; ; failures++) {
    if (await overSocket()) failures = 0;
    else {
      const before = version;
      try {
        await overRequests();
      } catch {
        // The connection is lost; it is tried again below.
      }
      if (version !== before) failures = 0;
    }
    away = true;
    if (noPlace) full();
    else lost();
    noPlace = false;
    const rest = REST[Math.min(failures, REST.length - 1)];
    await Promise.race([pause(rest * (0.5 + Math.random())), new Promise((go) => addEventListener("online", go, { once: true }))]);
  }
};
