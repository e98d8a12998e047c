// One event stream for all tabs of a browser: browsers allow six connections to a host, and the seventh tab would get nothing.

const latestKeys = 20_000;
const ports = new Set();
const latest = new Map();
let source = null;

function tell(message) {
  for (const port of ports) port.postMessage(message);
}

function open(after) {
  source = new EventSource(`/api/v1/live?after=${encodeURIComponent(after)}`);
  source.onopen = () => tell({ type: "open" });
  source.onerror = () => {
    tell({ type: source.readyState === EventSource.CLOSED ? "closed" : "retrying" });
    if (source.readyState === EventSource.CLOSED) source = null;
  };
  source.addEventListener("beat", (event) => tell({ type: "beat", ms: Number(event.data) }));
  source.addEventListener("refetch", () => {
    latest.clear();
    tell({ type: "refetch" });
  });
  for (const topic of ["parcel", "sensor", "device", "incident", "excursion", "position", "delivery", "route"]) {
    source.addEventListener(topic, (event) => {
      const message = { type: "change", topic, ...JSON.parse(event.data) };
      const name = `${topic} ${message.key}`;
      // What runs ahead says only what is new.
      const before = latest.get(name)?.value;
      if (!message.kept && before) message.value = { ...before, ...message.value };
      latest.delete(name);
      latest.set(name, message);
      if (latest.size > latestKeys) latest.delete(latest.keys().next().value);
      tell(message);
    });
  }
}

function join(port, after) {
  ports.add(port);
  if (source === null) {
    latest.clear();
    open(after);
    return;
  }
  // The page may have been rendered before what this stream told the others.
  for (const message of latest.values()) port.postMessage(message);
  if (source.readyState === EventSource.OPEN) port.postMessage({ type: "open" });
}

self.onconnect = (event) => {
  const port = event.ports[0];
  port.onmessage = ({ data }) => {
    if (data.type === "join") join(port, data.after);
    else ports.delete(port);
    if (ports.size === 0 && source !== null) {
      source.close();
      source = null;
    }
  };
};
