// The ways from a page to the server: its port, Jupyter's proxy, or the widget's own channel.
// Each gives a connection: {via, session, send(kind, typed, data), leave()}; what comes is told to `hear`.

const OPENING = 4000; // milliseconds a handshake may take before the next way is tried
const PROTOCOL_SIGNS = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

export const WAYS = {
  auto: "Any way",
  direct: "Straight to the port",
  proxy: "Jupyter's proxy",
  bridge: "Notebook's channel",
};

const proxyless = new Set(); // ports no proxy answered for

function isLoopback(name) {
  return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || /^127(\.\d+){3}$/.test(name);
}

// Where Jupyter's proxy would have the port; null on pages of another make.
function proxied(server) {
  const told = document.getElementById("jupyter-config-data");
  if (!told || !location.host || server.url.startsWith("wss:")) return null;
  const base = JSON.parse(told.textContent).baseUrl ?? "/";
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${base}proxy/${server.port}`;
}

// Connect by the way asked for, or by the first that works; throws why there is none.
export async function openConnection(bus, number, way, server, path, hear) {
  const bridge = () => openBridge(bus, number, path, hear);
  if (way === "bridge" || !server) {
    if (way === "direct" || way === "proxy") throw new Error("the flow has no port: await flow.serve(), or take the notebook's channel");
    return bridge();
  }
  const proxy = proxied(server);
  if (way === "direct") return openSocket("direct", server.url, server, path, hear);
  if (way === "proxy") {
    if (!proxy) throw new Error("this page knows no proxy for the port: take the notebook's channel");
    return openSocket("proxy", proxy, server, path, hear);
  }
  const tries = [];
  if (isLoopback(location.hostname)) tries.push(["direct", server.url]);
  if (proxy && !proxyless.has(server.port)) tries.push(["proxy", proxy]);
  for (const [via, url] of tries) {
    try {
      return await openSocket(via, url, server, path, hear);
    } catch {
      // a browser does not tell why: the next way is tried
    }
  }
  const bridged = await bridge(); // who is refused here too hears why
  if (tries.some(([via]) => via === "proxy")) proxyless.add(server.port);
  return bridged;
}

function openSocket(via, url, { token }, path, hear) {
  // offered beside the token, so that the answer need not repeat it
  const spoken = token && PROTOCOL_SIGNS.test(token) ? ["wsflow", `wsflow.token.${token}`] : [];
  const query = token && !spoken.length ? `${path.includes("?") ? "&" : "?"}token=${encodeURIComponent(token)}` : "";
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url + path + query, spoken);
    socket.binaryType = "arraybuffer";
    let open = false;
    const late = setTimeout(() => socket.close(), OPENING);
    socket.onopen = () => {
      open = true;
      clearTimeout(late);
      resolve({
        via,
        session: null,
        send: async (kind, typed, data) => socket.send(data),
        leave: async () => socket.close(1000),
      });
    };
    socket.onmessage = ({ data }) => hear.message(data);
    socket.onclose = ({ code, reason }) => {
      clearTimeout(late);
      if (open) hear.closed(code, reason);
      else reject(new Error(`no connection to ${url}${path}: the log says whether it was refused`));
    };
  });
}

async function openBridge(bus, number, path, hear) {
  bus.bridges.set(number, hear); // what is said at once comes before the answer
  try {
    const { session } = await bus.ask("client", "connect", { client: number, path });
    return {
      via: "bridge",
      session,
      send: (kind, typed) => bus.ask("client", "send", { client: number, kind, body: typed }),
      leave: () => bus.ask("client", "leave", { client: number }),
    };
  } catch (error) {
    bus.bridges.delete(number);
    throw error;
  }
}
