// Vehicles that would cover each other on the map become one mark that says how many they are. Pure.

// The worst first: whatever must be seen is where it is, and the others gather around it.
export function grouped(points, width, height) {
  const groups = [];
  for (const point of [...points].sort((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1))) {
    const near = groups.find(({ x, y }) => Math.abs(x - point.x) < width && Math.abs(y - point.y) < height);
    if (near) near.members.push(point);
    else groups.push({ x: point.x, y: point.y, members: [point] });
  }
  return groups;
}
