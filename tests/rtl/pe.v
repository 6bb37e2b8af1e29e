// One processing element: adds the exact sum of TREE products to an accumulator of ACC bits.
//
// x: TREE centred inputs of X bits, w: TREE factors of W bits, both signed, the first in the lowest bits.
// TERNARY: factors are -1, 0 or 1 in two bits, and products are additions and subtractions.
// OVERFLOW: 0 wraps, 1 saturates, 2 saturates symmetrically, 3 goes to 0.
// load: the accumulator takes `start` (the bias); add: it takes what it holds plus the products.
module pe #(
  parameter X = 9, parameter W = 8, parameter ACC = 32, parameter TREE = 1, parameter TERNARY = 0,
  parameter OVERFLOW = 0
) (
  input clk, input load, input add,
  input [TREE*X-1:0] x, input [TREE*W-1:0] w, input signed [ACC-1:0] start,
  output reg signed [ACC-1:0] acc, output reg overflowed
);
  localparam SUM = ((ACC > X + W) ? ACC : X + W) + $clog2(TREE + 1) + 1;  // holds every exact sum
  localparam signed [SUM-1:0] HIGH = (1 <<< (ACC - 1)) - 1;
  localparam signed [SUM-1:0] LOW = (OVERFLOW == 2) ? -HIGH : -HIGH - 1;

  function signed [SUM-1:0] product(input signed [X-1:0] a, input signed [W-1:0] b);
    if (TERNARY) product = !b[0] ? 0 : b[W-1] ? -a : a;
    else product = a * b;
  endfunction

  function signed [ACC-1:0] held(input signed [SUM-1:0] sum);
    if (OVERFLOW == 0 || (sum >= LOW && sum <= HIGH)) held = sum[ACC-1:0];
    else if (OVERFLOW == 3) held = 0;
    else held = (sum < 0) ? LOW[ACC-1:0] : HIGH[ACC-1:0];
  endfunction

  integer i;
  reg signed [SUM-1:0] exact;
  reg signed [ACC-1:0] next;
  always @(posedge clk)
    if (load) begin
      acc <= held(start);
      overflowed <= 0;
    end else if (add) begin
      exact = acc;
      for (i = 0; i < TREE; i = i + 1) exact = exact + product(x[i*X +: X], w[i*W +: W]);
      next = held(exact);
      acc <= next;
      overflowed <= overflowed | (next != exact);
    end
endmodule
