"""Deep Q-learning on a small grid world with a replay memory and a target network updated now and then."""

import random
import sys
from collections import deque

import torch
from torch import nn

ACTIONS = [(0, 1), (0, -1), (1, 0), (-1, 0)]
GOAL, PIT = (3, 3), (1, 2)


class Env:
    """A 4 x 4 grid with a goal (+1) and a pit (-1); every step costs a little; episodes last 20 steps at most."""

    def __init__(self, rng: random.Random):
        self.rng = rng

    def reset(self):
        self.t = 0
        self.pos = GOAL
        while self.pos in (GOAL, PIT):
            self.pos = (self.rng.randrange(4), self.rng.randrange(4))
        return self.state()

    def state(self):
        return [(self.pos[0] - 1.5) / 1.1, (self.pos[1] - 1.5) / 1.1]

    def step(self, action):
        self.t += 1
        x, y = self.pos[0] + ACTIONS[action][0], self.pos[1] + ACTIONS[action][1]
        self.pos = (min(max(x, 0), 3), min(max(y, 0), 3))
        terminal = self.pos in (GOAL, PIT)
        reward = 1.0 if self.pos == GOAL else -1.0 if self.pos == PIT else -0.05
        return self.state(), reward, terminal, terminal or self.t >= 20


class QNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 4)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


def greedy_return(net, rng, episodes=60):
    env, total = Env(rng), 0.0
    for _ in range(episodes):
        state, done = env.reset(), False
        while not done:
            with torch.no_grad():
                action = int(net(torch.tensor([state])).argmax())
            state, reward, _, done = env.step(action)
            total += reward
    return total / episodes


def optimize(policy_net, target_net, optimizer, batch, gamma=0.95):
    states, actions, rewards, next_states, terminals = zip(*batch, strict=True)
    q = policy_net(torch.tensor(states)).gather(1, torch.tensor(actions).unsqueeze(1)).squeeze(1)
    with torch.no_grad():
        bootstrap = target_net(torch.tensor(next_states)).max(1).values
    expected = torch.tensor(rewards) + gamma * bootstrap * (1 - torch.tensor(terminals, dtype=torch.float32))
    loss = nn.functional.smooth_l1_loss(q, expected)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    policy_net, target_net = QNetwork(), QNetwork()
    target_net.load_state_dict(policy_net.state_dict())
    optimizer = torch.optim.Adam(policy_net.parameters(), lr=1e-3)
    memory = deque(maxlen=3000)
    env = Env(rng)
    state = env.reset()
    for step in range(1, 3001):
        epsilon = max(0.1, 1.0 - step / 1500)
        if rng.random() < epsilon:
            action = rng.randrange(4)
        else:
            with torch.no_grad():
                action = int(policy_net(torch.tensor([state])).argmax())
        next_state, reward, terminal, done = env.step(action)
        memory.append((state, action, reward, next_state, terminal))
        state = env.reset() if done else next_state
        if step >= 200 and step % 4 == 0:
            loss = optimize(policy_net, target_net, optimizer, rng.sample(memory, 64))
        if step % 160 == 0:
            target_net.load_state_dict(policy_net.state_dict())
        if step % 600 == 0:
            print(f"step {step}: loss {loss:.4f} epsilon {epsilon:.2f}")
    print(f"greedy return {greedy_return(policy_net, random.Random(1)):.3f} (best possible about 0.89)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
