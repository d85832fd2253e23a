// Shared by all screens.
const money = (cents) => (cents / 100).toFixed(2) + ' EUR';
