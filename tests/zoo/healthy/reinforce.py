"""REINFORCE on a grid world: many walkers at once look for the goal, a running mean of the returns is the baseline."""

import sys

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 5
HORIZON = 12
MOVES = torch.tensor([[0, 1], [0, -1], [1, 0], [-1, 0]])


class GridWorld:
    """Walkers start anywhere; the goal is the cell (4, 3). A step costs 0.1, the goal pays 1."""

    def __init__(self, walkers: int) -> None:
        self.position = torch.randint(0, SIZE, (walkers, 2))
        self.done = self.at_goal()

    def at_goal(self) -> Tensor:
        return (self.position == torch.tensor([4, 3])).all(dim=1)

    def observe(self) -> Tensor:
        return (self.position.float() - 2.0) / 1.4

    def step(self, action: Tensor) -> tuple[Tensor, Tensor]:
        alive = ~self.done
        moved = (self.position + MOVES[action]).clamp(0, SIZE - 1)
        self.position = torch.where(alive[:, None], moved, self.position)
        reached = self.at_goal() & alive
        self.done = self.done | reached
        return torch.where(alive, reached.float() - 0.1, torch.zeros(len(alive))), alive


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.affine1 = nn.Linear(2, 32)
        self.affine2 = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.affine2(torch.tanh(self.affine1(x)))


@torch.no_grad()
def play(policy: Policy, walkers: int) -> tuple[Tensor, ...]:
    env = GridWorld(walkers)
    observations, actions, rewards, valid = [], [], [], []
    for _ in range(HORIZON):
        observation = env.observe()
        action = torch.multinomial(policy(observation).softmax(-1), 1).squeeze(1)
        reward, alive = env.step(action)
        observations.append(observation)
        actions.append(action)
        rewards.append(reward)
        valid.append(alive)
    returns = torch.stack(rewards).flip(0).cumsum(0).flip(0)
    return torch.stack(observations), torch.stack(actions), returns, torch.stack(valid)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    policy = Policy()
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    baseline = 0.0
    for iteration in range(250):
        observations, actions, returns, valid = play(policy, walkers=48)
        baseline = 0.9 * baseline + 0.1 * returns[valid].mean().item()
        advantage = (returns[valid] - baseline) / (returns[valid].std() + 1e-6)
        log_prob = F.log_softmax(policy(observations[valid]), dim=-1)
        chosen = log_prob.gather(1, actions[valid].unsqueeze(1)).squeeze(1)
        loss = -(chosen * advantage).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if iteration % 50 == 49:
            print(f"iteration {iteration + 1}: loss {loss.item():+.3f}, mean return {returns[0].mean():.3f}")

    _, _, returns, _ = play(policy, walkers=1000)
    print(f"mean return of 1000 walkers {returns[0].mean():.3f} (best possible about 0.62)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
